"""Where the pages of a snapshot meet the log that went on while they were read.

A large snapshot is read page by page, each as of its own revision, so that nothing is held open and
little in memory. The log is then followed from the first of these revisions, without the changes
that a later page has shown already.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TypeAlias

from job_service.domain.job import Job
from servicekit.clock import to_micros

Key: TypeAlias = tuple[int, str]
"""What snapshots are ordered by: when a job was created, in microseconds, and its id."""


class Pages:
    """The pages of a snapshot: up to which job each goes, and as of which revision.

    Attributes:
        size: jobs of a page, at most.
        first: revision of the first page, after which the log is followed.
        end: what the last page ends with; None before the first.
        complete: whether there are no more.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.first = 0
        self.end: Key | None = None
        self.complete = False
        self._ends: list[Key] = []
        self._revisions: list[int] = []

    def add(self, revision: int, jobs: Sequence[Job]) -> None:
        """One more page; one that is not full is the last."""
        if not self._revisions:
            self.first = revision
        self.complete = len(jobs) < self.size
        if not self.complete:
            self.end = _key(jobs[-1])
            self._ends.append(self.end)
        self._revisions.append(revision)

    def have_shown(self, job: Job, revision: int) -> bool:
        """Whether a change of a job is in its page already: later pages are of later revisions."""
        if not self._revisions or revision > self._revisions[-1]:
            return False
        return revision <= self._revisions[bisect_left(self._ends, _key(job))]


def _key(job: Job) -> Key:
    return to_micros(job.created_at), job.id
