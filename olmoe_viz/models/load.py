"""From a name to a model that is ready to run, or to a sentence that says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from httpx2 import HTTPError, InvalidURL
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    StrictDataclassError,
)
from huggingface_hub.utils.tqdm import tqdm
from safetensors import SafetensorError
from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from olmoe_viz.errors import ModelError
from olmoe_viz.families import FAMILIES
from olmoe_viz.families.base import Family
from olmoe_viz.families.verify import steers
from olmoe_viz.models import offered
from olmoe_viz.models.catalogue import BUNDLED, CATALOGUE, bundled_path, find, with_revision
from olmoe_viz.models.files import BadFiles, check_sums, digesting, weight_files
from olmoe_viz.models.memory import MemoryShortage, Placement, give_back, out_of_memory, place
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import costs
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.model_facts import Capability

Progress = Callable[[int, int], None]
Wishes = tuple[torch.device | None, torch.dtype | None]
_FILES = ["*.json", "*.safetensors", "chat_template.jinja"]
_NOT_BYTE_LEVEL = "The tokenizer of {} is not byte-level BPE, as OLMoE's is."


def load_model(
    name: str = BUNDLED,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load the bundled model, one of the catalogue, or a local folder with a checkpoint.

    A model of the hub is loaded at the commit that the catalogue names, or at any `revision` of it:
    a commit, a branch or a tag, such as "step10000-tokens41B", a checkpoint of its training. That
    is another model, named `name@revision`, which may be given as the name too.

    Without `device` and `dtype` both are chosen by what there is: see `memory.place`. Only
    safetensors weights are read and no code of a checkpoint is ever run. During a download
    `progress` is called, by several threads, with the bytes there and their number as far as it is
    known; it may raise to end the download. Raises ModelError in a sentence for everything that
    can go wrong: no such model or folder, no family that is known, hub not reachable, gated,
    missing or damaged files, too little memory.
    """
    try:
        return _load(with_revision(name, revision), (_device(device), _dtype(dtype)), progress)
    except (BadFiles, MemoryShortage) as error:
        raise ModelError(f"{name} cannot be loaded. {error}") from None
    except (OSError, RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise ModelError(f"{name} cannot be loaded: {error}") from error
        raise ModelError(
            f"{name} cannot be loaded: the memory ran out on the way. "
            "Close other programs, or choose a smaller model or a larger machine."
        ) from None


def _load(name: str, wishes: Wishes, progress: Progress | None) -> Model:
    entry = find(name)
    if entry is not None and entry.hub_id is not None:
        # The small file first: a model that does not fit is not worth the download.
        folder = Path(_fetch(entry.hub_id, entry.revision, ["config.json"]))
        place(_known(folder, name)[1], *wishes)
        # By its commit from here on: a branch may move between the two downloads.
        commit = folder.name
        _check_disk(entry.hub_id, commit)
        folder = Path(_fetch(entry.hub_id, commit, _FILES, progress))
        weight_files(folder)
        return _build(name, folder, commit, lambda: f"commit:{commit}", wishes)
    listed = offered.find(name)
    operators = listed.folder if listed is not None else None
    folder = bundled_path() if entry is not None else operators or Path(name).expanduser()
    if not folder.is_dir():
        known = ", ".join(known.name for known in CATALOGUE)
        raise ModelError(
            f"There is no model and no folder named {name!r}. The models known by name are {known}."
        )
    _known(folder, name)
    files = weight_files(folder)
    check_sums(folder, files, required=entry is not None)
    with digesting(files) as digest:
        return _build(name, folder, None, digest, wishes)


def _build(
    name: str,
    folder: Path,
    revision: str | None,
    digest: Callable[[], str],
    wishes: Wishes,
) -> Model:
    """Read the weights and make them ready; `digest` is asked for once they are there."""
    family, geometry = _known(folder, name)
    placement = place(geometry, *wishes)
    tokenizer = _tokenizer(folder, name, family)
    module = _weights(folder, name, placement)
    give_back()
    return ready(name, (revision, digest()), module, tokenizer, placement.device)


def ready(
    name: str,
    identity: tuple[str | None, str],
    module: Any,
    tokenizer: PreTrainedTokenizerFast,
    device: torch.device | None = None,
) -> Model:
    """Return a model of a known family, whose weights are there, as a Model.

    `identity` is (revision, digest); `device` is where prompts go in, if not the first block's.
    Raises ModelError for parameters that its family does not have, and for another tokenizer than
    byte-level BPE.
    """
    family = FAMILIES[module.config.model_type]
    geometry = family.geometry(module.config)
    module.requires_grad_(requires_grad=False)
    if family.costs(module) != costs.counted(geometry):
        raise ModelError(
            f"{name} has other parameters than its family's. They would be counted wrongly, so it "
            "is not loaded."
        )
    token_bytes = family.token_bytes(tokenizer)
    if token_bytes is None:
        raise ModelError(_NOT_BYTE_LEVEL.format(name))
    parts = family.parts(module)
    return Model(
        name=name,
        revision=identity[0],
        digest=identity[1],
        module=module,
        tokenizer=tokenizer,
        token_bytes=token_bytes,
        geometry=geometry,
        family=family,
        capabilities=_capabilities(family, module),
        device=device or (parts.blocks[0].device if parts else module.device),
        dtype=module.dtype,
    )


def _capabilities(family: Family, module: Any) -> frozenset[Capability]:
    """Return what may be asked of a model, as far as its stock routers agree with its rule."""
    if not steers(family.sites(module)):
        return frozenset()
    fast: set[Capability] = set() if family.parts(module) is None else {"rows_join", "details"}
    return frozenset({"steer", *fast})


def _weights(folder: Path, name: str, placement: Placement) -> Any:
    device_map = "auto" if placement.device is None else {"": placement.device}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=placement.dtype,
            device_map=device_map,
            use_safetensors=True,
            local_files_only=True,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise ModelError(
            f"A weight file of {name} is damaged: {error}. Get the model again."
        ) from error
    except Exception as error:  # the library's errors for a bad checkpoint have no common class
        if out_of_memory(error):
            raise
        raise ModelError(f"The weights of {name} do not fit its config.json: {error}") from error
    module, report = loaded
    if report["missing_keys"] or report["mismatched_keys"]:
        example = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))[0]
        raise ModelError(
            f"The weights of {name} are incomplete: {example} is missing or has another shape. "
            "Get the model again."
        )
    return module


def _known(folder: Path, name: str) -> tuple[Family, Geometry]:
    """Return a checkpoint's family and sizes; ModelError for what cannot be shown."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        family = FAMILIES.get(kind := values.get("model_type"))
    except FileNotFoundError:
        raise ModelError(f"{name} has no config.json, so it is not a checkpoint.") from None
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        raise ModelError(f"The config.json of {name} is not readable. Get it again.") from None
    if family is None:
        raise ModelError(
            f"{name} is not an OLMoE model (its model_type is {kind!r}). Choose one that is."
        )
    try:
        config = CONFIG_MAPPING[kind].from_dict(values)
        geometry = family.geometry(config)
    except (StrictDataclassError, ValueError, TypeError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"The config.json of {name} is not usable: {reason}") from None
    refused = family.refuse(config)
    if refused is not None:
        raise ModelError(f"{name} {refused}, so it is not loaded.")
    return family, geometry


def _tokenizer(folder: Path, name: str, family: Family) -> PreTrainedTokenizerFast:
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"{name} has no tokenizer.json. Put its tokenizer into the same folder.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises Exception itself
        if out_of_memory(error):
            raise
        raise ModelError(f"The tokenizer of {name} is not readable: {error}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or family.token_bytes(tokenizer) is None:
        raise ModelError(_NOT_BYTE_LEVEL.format(name))
    # A prompt is never cut or filled up silently.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _fetch(
    hub_id: str, revision: str | None, patterns: list[str], progress: Progress | None = None
) -> str:
    bar = None if progress is None else _bar(progress)
    try:
        return huggingface_hub.snapshot_download(
            hub_id, revision=revision, allow_patterns=patterns, tqdm_class=bar
        )
    except GatedRepoError:
        raise ModelError(
            f"{hub_id} is gated. Accept its terms at https://huggingface.co/{hub_id}, sign in with "
            "`hf auth login`, then try again."
        ) from None
    except (RevisionNotFoundError, HFValidationError):
        raise ModelError(f"{hub_id} has no revision {revision!r} on Hugging Face.") from None
    except RepositoryNotFoundError:
        raise ModelError(f"Hugging Face has no model {hub_id}, or it is private.") from None
    except (LocalEntryNotFoundError, ConnectionError, HTTPError) as error:
        # Timeouts and proxies are HTTPErrors.
        raise ModelError(_unreachable(hub_id)) from error
    except (OSError, InvalidURL, RuntimeError, ValueError) as error:
        # The transfer client's own failures are RuntimeErrors.
        raise ModelError(
            f"{hub_id} could not be downloaded from Hugging Face: {error}. Check the network "
            "connection and the free disk space and try again: what has arrived is kept."
        ) from error


def _unreachable(hub_id: str) -> str:
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return (
            f"{hub_id} is not on this machine, and the hub is switched off here (HF_HUB_OFFLINE is "
            "set). Start without it to download the model, or load a local folder."
        )
    return (
        f"{hub_id} is not whole on this machine, and Hugging Face cannot be reached. Check the "
        "network connection and try again, or load a local folder. What has arrived is kept."
    )


def _check_disk(hub_id: str, revision: str) -> None:
    """Raise ModelError where the disk has no room for what is still to be downloaded."""
    try:
        files = huggingface_hub.snapshot_download(
            hub_id, revision=revision, allow_patterns=_FILES, dry_run=True
        )
    except (OSError, HTTPError, RuntimeError, ValueError):
        return  # the download itself says in words what is wrong
    missing = sum(file.file_size or 0 for file in files if file.will_download)
    free = shutil.disk_usage(_existing(Path(huggingface_hub.constants.HF_HUB_CACHE))).free
    if missing > free:
        raise ModelError(
            f"{hub_id} cannot be downloaded: {missing / 1e9:.1f} GB are missing and "
            f"{free / 1e9:.1f} GB of the disk are free. Make room, or choose a smaller model."
        )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _bar(progress: Progress) -> type[tqdm]:
    """Return a progress bar for the hub's client that reports bytes, drawn or not."""

    class Bar(tqdm):
        arrived = 0

        def __init__(self, *values: Any, **options: Any) -> None:
            super().__init__(*values, **options)  # type: ignore[no-untyped-call]
            self.counts_bytes = options.get("unit") == "B"

        def update(self, n: float | None = 1) -> bool | None:
            if self.counts_bytes:
                self.arrived += int(n or 0)
                progress(self.arrived, int(self.total or 0))
            drawn: bool | None = super().update(n)
            return drawn

    return Bar


def _device(device: str | torch.device | None) -> torch.device | None:
    if device is None:
        return None
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ModelError(f"{device!r} is not a device. Use cpu or cuda.") from None
    if chosen.type == "cuda":
        count = torch.cuda.device_count()
        if (chosen.index or 0) >= count:
            raise ModelError(f"There is no device {device}: {count} GPUs can be used. Use cpu.")
    elif chosen.type != "cpu":
        raise ModelError(f"The device {device} is not supported. Use cpu or cuda.")
    return chosen


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    chosen = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if dtype is not None and chosen not in (torch.float32, torch.bfloat16, torch.float16):
        raise ModelError(f"{dtype} is not supported. Use float32, bfloat16 or float16.")
    return chosen
