"""Train olmoe-nano.

    python -m training.train --data training/data --run training/runs/nano

A run can be stopped (``--minutes``) and continued by the same command: model, optimizers and the
step are stored, and the batch of a step depends on the seed and the step alone. Writes
``curve.jsonl``, ``weights-STEP.safetensors`` at the recipe's checkpoints, and at the end
``model/``, an ordinary transformers checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.corpus import DOMAINS, STREAMS
from training.model import Olmoe, export, make_config, token_losses
from training.optimizer import make_optimizers
from training.prepare import load_tokenizer
from training.recipe import RECIPES, Recipe, Stage


class Windows:
    """Random windows of the packed streams; held in the device's memory as one tensor."""

    def __init__(self, data: Path, recipe: Recipe, device: torch.device) -> None:
        parts = [
            np.fromfile(data / f"{name}.bin", dtype=np.uint16).astype(np.int16) for name in STREAMS
        ]
        sizes = [len(part) for part in parts]
        self.tokens = torch.from_numpy(np.concatenate(parts)).to(device)
        self.sizes = torch.tensor(sizes, device=device)
        self.starts = torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()], device=device)
        self.weights = torch.tensor(recipe.stream_weights(sizes), device=device)
        self.seed = recipe.seed

    def batch(self, step: int, stage: Stage) -> tuple[Tensor, Tensor]:
        """(inputs, targets), int64 [batch, sequence]; the same for the same seed and step."""
        device = self.tokens.device
        generator = torch.Generator(device).manual_seed(self.seed * 1_000_003 + step)
        stream = torch.multinomial(self.weights, stage.batch, replacement=True, generator=generator)
        room = self.sizes[stream] - stage.sequence - 1
        offset = (torch.rand(stage.batch, device=device, generator=generator) * room).long()
        first = self.starts[stream] + offset
        window = self.tokens[
            first[:, None] + torch.arange(stage.sequence + 1, device=device)
        ].long()
        return window[:, :-1], window[:, 1:]


class HeldOut:
    """A fixed sample of held-out windows for the curve, one batch; `evaluate.py` uses all."""

    def __init__(self, data: Path, device: torch.device) -> None:
        tokenizer = load_tokenizer(data / "tokenizer")
        alphabet = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        lengths = [
            0 if token.startswith("<|") and token.endswith("|>") else len(token)
            for token in alphabet
        ]
        self.bytes_of = torch.tensor(lengths, device=device)
        self.tokens = [
            np.fromfile(data / f"{name}.heldout.bin", dtype=np.uint16) for name in DOMAINS
        ]
        self.device = device

    @torch.no_grad()
    def bits_per_byte(self, stage: Stage, loss_of: Any) -> dict[str, float]:
        """Bits per byte of each domain on about ``stage.batch`` windows in all."""
        windows, domains = [], []
        for index in range(stage.batch):
            domain, turn = index % len(DOMAINS), index // len(DOMAINS)
            tokens = self.tokens[domain]
            room = len(tokens) - stage.sequence - 1
            first = (turn * room) // max(1, math.ceil(stage.batch / len(DOMAINS)))
            windows.append(tokens[first : first + stage.sequence + 1].astype(np.int64))
            domains.append(domain)
        window = torch.from_numpy(np.stack(windows)).to(self.device)
        with (
            torch.enable_grad()
        ):  # the compiled graph of training is used again, and not run backward
            nats = loss_of(window[:, :-1], window[:, 1:])[0].detach().sum(1)
        size = self.bytes_of[window[:, 1:]].sum(1)
        picked = torch.tensor(domains, device=self.device)
        result = {}
        for index, name in enumerate(DOMAINS):
            rows = picked == index
            if rows.any():
                result[name] = (nats[rows].sum() / size[rows].sum() / math.log(2)).item()
        return result


class Run:
    """One training run in a folder: its model, its optimizers, how to step, store and continue."""

    def __init__(self, data: Path, folder: Path, recipe: Recipe, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.device = recipe, folder, device
        self.model = Olmoe(make_config(**recipe.config), router_std=recipe.router_std).to(device)
        self.windows = Windows(data, recipe, device)
        self.heldout = HeldOut(data, device)
        self.head_loss: Any = token_losses
        self.step = self.tokens = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.json").is_file():
            self.restore()
        else:
            self.start_phase()
        if device.type == "cuda":
            for block in self.model.model.layers:
                block.compile(dynamic=False)
            self.head_loss = torch.compile(token_losses, dynamic=False)

    def start_phase(self) -> None:
        """Fresh optimizers for the phase that the next step belongs to."""
        phase, _ = self.recipe.phase(self.step)
        self.optimizers = make_optimizers(
            self.model,
            muon_lr=self.recipe.muon_lr * phase.rate,
            adam_lr=self.recipe.adam_lr * phase.rate,
            router_lr=self.recipe.adam_lr * phase.router_rate,
            weight_decay=self.recipe.weight_decay,
        )
        self.base_rates = [
            [g["lr"] for g in optimizer.param_groups] for optimizer in self.optimizers
        ]

    def loss_of(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(nats of every target [batch, sequence], load-balancing loss, router z-loss)."""
        states, balance, z_loss = self.model(inputs)
        return self.head_loss(states, self.model.lm_head.weight, targets), balance, z_loss

    def advance(self) -> tuple[Tensor, Tensor, Tensor]:
        """One optimizer step."""
        phase, step = self.recipe.phase(self.step)
        if step == 0 and self.step:
            self.start_phase()
        stage, factor = phase.stage(step), phase.learning_rate(step)
        for optimizer, rates in zip(self.optimizers, self.base_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        nats, balance, z_loss = self.loss_of(*self.windows.batch(self.step, stage))
        loss = nats.mean()
        (loss + phase.balance_weight * balance + phase.z_weight * z_loss).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += stage.sequence * stage.batch
        return loss.detach(), balance.detach(), z_loss.detach()

    def _tensors(self) -> dict[str, Tensor]:
        names = {id(p): name for name, p in self.model.named_parameters()}
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        for optimizer in self.optimizers:
            for parameter, state in optimizer.state.items():
                tensors |= {f"{key}/{names[id(parameter)]}": value for key, value in state.items()}
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    def store(self) -> None:
        """Write what `restore` needs."""
        save_file(self._tensors(), self.folder / "state.safetensors")
        state = {"step": self.step, "tokens": self.tokens, "seconds": self.seconds}
        (self.folder / "state.json").write_text(
            json.dumps(state | {"recipe": dataclasses.asdict(self.recipe)})
        )

    def restore(self) -> None:
        """Continue where `store` left off."""
        state = json.loads((self.folder / "state.json").read_text())
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        tensors = load_file(self.folder / "state.safetensors", device=str(self.device))
        weights = {
            name.removeprefix("model/"): t
            for name, t in tensors.items()
            if name.startswith("model/")
        }
        self.model.load_state_dict(weights)
        self.start_phase()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    optimizer.state[parameter] = {}
        by_name = dict(self.model.named_parameters())
        for key, tensor in tensors.items():
            slot, name = key.split("/", 1)
            for optimizer in self.optimizers if slot != "model" else []:
                if by_name[name] in optimizer.state:
                    optimizer.state[by_name[name]][slot] = tensor

    def finish(self) -> None:
        """Write the finished model as an ordinary checkpoint."""
        export(self.model, str(self.folder / "model"))

    def train(self, minutes: float, log_every: int, evaluate_every: int) -> bool:
        """Train until the end or for `minutes`; True when the run is finished."""
        begun, before = time.monotonic(), self.seconds
        while self.step < self.recipe.steps and time.monotonic() - begun < minutes * 60:
            losses = self.advance()
            measure = self.step % evaluate_every == 0 or self.step == self.recipe.steps
            if self.step in self.recipe.checkpoints:
                self.checkpoint()
            if measure or self.step % log_every == 0 or self.step == 1:
                values = [loss.item() for loss in losses]  # waits for the device
                self.seconds = before + time.monotonic() - begun
                self.report(values, measure=measure)
        self.seconds = before + time.monotonic() - begun
        return self.step >= self.recipe.steps

    def checkpoint(self) -> None:
        """Keep the weights as they are after this step."""
        weights = {name: t.to("cpu", torch.bfloat16) for name, t in self.model.state_dict().items()}
        save_file(weights, self.folder / f"weights-{self.step:06d}.safetensors")

    def report(self, losses: list[float], *, measure: bool) -> None:
        """One line of the curve, to the file and the terminal."""
        row: dict[str, Any] = {"step": self.step, "tokens": self.tokens}
        row |= {"seconds": round(self.seconds, 1)}
        row |= dict(zip(("loss", "balance", "z"), losses, strict=True))
        line = f"{self.step:6d} {self.seconds:6.0f} s  loss {losses[0]:.4f}"
        if measure:
            phase, step = self.recipe.phase(self.step - 1)
            row["heldout"] = self.heldout.bits_per_byte(phase.stage(step), self.loss_of)
            line += f"  held-out {np.mean(list(row['heldout'].values())):.4f} bits per byte"
        with (self.folder / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(row) + "\n")
        print(line, flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("training/data"))
    parser.add_argument("--run", type=Path, default=Path("training/runs/nano"))
    parser.add_argument("--recipe", choices=RECIPES, default="nano")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop and store after this long"
    )
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--evaluate-every", type=int, default=500)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = Run(options.data, options.run, RECIPES[options.recipe], device)
    if run.train(options.minutes, options.log_every, options.evaluate_every):
        run.finish()
    else:
        run.store()


if __name__ == "__main__":
    main()
