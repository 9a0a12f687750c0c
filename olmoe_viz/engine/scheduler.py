"""The scheduler: whose tokens run in the next step of one model.

Rows of all groups share the steps, each with its own prompt, policy, sampling and length; groups
come and go between two steps. Knows nothing about visitors and tickets.
"""

import logging

from olmoe_viz.engine.decoder import Decoder, Part, Ran
from olmoe_viz.engine.decoders import decoder_for
from olmoe_viz.engine.prompt import budget_of
from olmoe_viz.engine.sequence_group import SequenceGroup
from olmoe_viz.models.model import Model

_log = logging.getLogger(__name__)
# While somebody writes, prompts get this share of the tokens that a pass reads.
_BESIDE_WRITING = 4


class Scheduler:
    """The groups of one model that are at work: at most `rows` rows and `entries` cache entries."""

    def __init__(self, model: Model, rows: int, entries: int) -> None:
        self.model = model
        self._rows, self._entries = rows, entries
        self._groups: dict[SequenceGroup, Decoder] = {}
        self._turns: dict[SequenceGroup, int] = {}
        self._tokens_read = 0

    @property
    def groups(self) -> list[SequenceGroup]:
        """Those at work, the first to have come first."""
        return list(self._groups)

    def fits(self, group: SequenceGroup) -> bool:
        """Whether a group could ever be at work."""
        return len(group.rows) <= self._rows and _entries_of(group) <= self._entries

    def admit(self, group: SequenceGroup) -> bool:
        """Take a group to work; False while there is no room for it."""
        rows = [row for each in self._groups for row in each.rows]
        taken = sum(map(_entries_of, self._groups))
        need = _entries_of(group)
        if len(rows) + len(group.rows) > self._rows or taken + need > self._entries:
            return False
        at_work = list(dict.fromkeys(self._groups.values()))
        try:
            decoder = decoder_for(self.model, at_work, len(group.rows), need, self._entries)
            if not decoder.join(group.rows):
                return False
        except Exception as error:  # noqa: BLE001 - told to whose it is
            group.fail(error)
            return True
        group.runner = decoder.name
        self._groups[group] = decoder
        work = len(group.prompt) * len(group.at_work)
        self._turns[group] = self._tokens_read + work
        return True

    def step(self) -> None:
        """Run one step of every group; those that are done leave."""
        self.let_go()
        writing = any(not group.reading for group in self._groups)
        budget = budget_of(self.model) // (_BESIDE_WRITING if writing else 1)
        parts = {group: _writing(group) for group in self._groups if not group.reading}
        # The shortest prompt first, but none is overtaken for long: by when it would be read if all
        # who came before it were alone.
        for group in sorted(self._turns, key=self._turns.__getitem__):
            if budget > 0:
                parts[group] = _reading(group, budget)
                read = sum(part.length for part in parts[group])
                budget, self._tokens_read = budget - read, self._tokens_read + read
        for decoder in dict.fromkeys(self._groups.values()):
            own = {group: parts[group] for group in parts if self._groups[group] is decoder}
            if own:
                self._run(decoder, own)
        self.let_go()

    def let_go(self) -> None:
        """Free the places of groups that are done, and what served none but them."""
        for group in [each for each in self._groups if each.done]:
            decoder = self._groups.pop(group)
            self._turns.pop(group, None)
            decoder.leave(group.rows)
            if decoder not in self._groups.values():
                decoder.close()

    def _run(self, decoder: Decoder, parts: dict[SequenceGroup, list[Part]]) -> None:
        """Run parts together; where that fails each group alone, so that it fails alone."""
        try:
            ran, seconds = decoder.step([part for own in parts.values() for part in own])
        except Exception as error:  # noqa: BLE001 - told to whose it is
            if len(parts) == 1:
                (group,) = parts
                group.fail(error)
                return
            _log.warning("A step of %s groups failed; each runs alone.", len(parts))
            for group, own in parts.items():
                self._run(decoder, {group: own})
            return
        by_row = {each.row: each for each in ran}
        for group, own in parts.items():
            mine = [by_row[part.row] for part in own if part.row in by_row]
            if mine:
                self._take(decoder, group, mine, seconds)

    def _take(self, decoder: Decoder, group: SequenceGroup, ran: list[Ran], seconds: float) -> None:
        shared = group.left_to_share
        group.take(ran, seconds)
        if shared and not group.left_to_share:
            for source, targets in group.followers():
                decoder.share(source, targets)
        if not group.reading:
            self._turns.pop(group, None)


def _entries_of(group: SequenceGroup) -> int:
    return sum(row.length for row in group.rows)


def _writing(group: SequenceGroup) -> list[Part]:
    return [Part(row, 1) for row in group.at_work]


def _reading(group: SequenceGroup, budget: int) -> list[Part]:
    """Return the next part of a prompt, once for each of its readers."""
    readers = group.at_work
    left = group.left_to_share or len(group.prompt) - readers[0].position
    count = min(left, max(budget // len(readers), 1))
    return [Part(row, count) for row in readers]
