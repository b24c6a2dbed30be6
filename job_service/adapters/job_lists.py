"""Lists of jobs by keyset, each walking one index that is in the order asked for.

Which index that is follows from the conditions alone, so that the plan does not hang on what a
database happens to know about its rows: the one condition that the index begins with is written
plainly, all others so that SQLite, which has no statistics here, chooses no other. Indexes by state
and by owner hold one walk for each state; a list of several states merges those.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from job_service.adapters.tables import JOB_LABELS, JOBS
from job_service.application.ports import JobQuery
from job_service.domain.states import ENDED, JobState
from servicekit.clock import to_micros


class _Filtered(FunctionElement[str]):
    """A column that only filters: SQLite, which guesses without statistics, must not seek by it."""

    inherit_cache = True
    type = sa.Text()


@compiles(_Filtered)
def _plainly(element: _Filtered, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(_Filtered, "sqlite")
def _without_index(element: _Filtered, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


_FACETS = ("array_id", "team", "provider", "pool", "gpu_type")


def page_of_jobs(query: JobQuery, after: tuple[int, str] | None, limit: int) -> sa.Select[Any]:
    """Selects a page, in order: ``document``, after what it is ordered by, ``at`` and ``id``."""
    driver = _driver(query)
    states = query.states or tuple(JobState)
    if driver != "state" or len(states) == 1:
        walk = _walk(query, driver, query.states, after, limit).add_columns(JOBS.c.document)
        return sa.select(walk.subquery())
    walks = [_walk(query, driver, [state], after, limit).subquery() for state in states]
    merged = sa.union_all(*map(sa.select, walks)).subquery()
    page = sa.select(merged).order_by(*_order(query, merged.c.at, merged.c.id)).limit(limit)
    # Only what is left after merging is worth its documents.
    found = page.subquery()
    shown = sa.select(found, JOBS.c.document).join_from(found, JOBS, JOBS.c.id == found.c.id)
    return shown.order_by(*_order(query, found.c.at, found.c.id))


def conditions(query: JobQuery, driver: str = "") -> list[sa.ColumnElement[bool]]:
    """The query's conditions but for states; empty fields give none."""
    found: list[sa.ColumnElement[bool]] = []
    for name in ("owner_id", *_FACETS):
        if value := getattr(query, name):
            plainly = name == driver or (name, driver) == ("owner_id", "state")
            found += _equals(JOBS.c[name], value, plainly=plainly)
    if query.name_prefix:
        # LIKE would not tell capitals from small letters on SQLite.
        begins = sa.func.substr(JOBS.c.name, 1, len(query.name_prefix))
        found.append(begins == query.name_prefix)
    labels = query.labels[1:] if driver == "label" else query.labels
    return found + [_labelled(key, value) for key, value in labels]


def _driver(query: JobQuery) -> str:
    """What the index begins with that the list walks along; "state" also goes with an owner."""
    if query.by_update:
        return "owner_id" if query.owner_id else ""
    if query.array_id:
        return "array_id"
    if query.labels and query.labels[0][1] is not None:
        return "label"
    unfinished = bool(query.states) and not ENDED.intersection(query.states)
    if query.owner_id or unfinished:
        return "state"
    return next((name for name in _FACETS if getattr(query, name)), "state")


def _walk(
    query: JobQuery,
    driver: str,
    states: Sequence[JobState],
    after: tuple[int, str] | None,
    limit: int,
) -> sa.Select[Any]:
    source: sa.FromClause = JOBS
    at, job_id = JOBS.c.updated_at if query.by_update else JOBS.c.created_at, JOBS.c.id
    found = conditions(query, driver)
    if driver == "state":
        found.append(JOBS.c.state == states[0].value)
    elif states:
        found.append(_Filtered(JOBS.c.state).in_([state.value for state in states]))
    if driver == "label":
        source = JOB_LABELS.join(JOBS, JOBS.c.id == JOB_LABELS.c.job_id)
        at, job_id = JOB_LABELS.c.created_at, JOB_LABELS.c.job_id
        found += _has_label(query)
    if query.created_from:
        found.append(
            (JOBS.c.created_at if query.by_update else at) >= to_micros(query.created_from)
        )
    if query.created_to:
        found.append((JOBS.c.created_at if query.by_update else at) < to_micros(query.created_to))
    if after is not None:
        key, last = sa.tuple_(at, job_id), sa.tuple_(*after)
        found.append(key > last if query.ascending else key < last)
    walk = sa.select(at.label("at"), job_id.label("id")).select_from(source).where(*found)
    return walk.order_by(*_order(query, at, job_id)).limit(limit)


def _order(query: JobQuery, *columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    return [column if query.ascending else column.desc() for column in columns]


def _equals(column: sa.Column[Any], value: str, *, plainly: bool) -> list[sa.ColumnElement[bool]]:
    if not plainly:
        return [_Filtered(column) == value]
    # The index leaves out what is empty, and a database must be told that this is not.
    return [column == value, column != ""] if column.name in _FACETS else [column == value]


def _has_label(query: JobQuery) -> list[sa.ColumnElement[bool]]:
    key, value = query.labels[0]
    found = [JOB_LABELS.c.key == key, JOB_LABELS.c.value == value]
    return [*found, JOB_LABELS.c.owner_id == query.owner_id] if query.owner_id else found


def _labelled(key: str, value: str | None) -> sa.ColumnElement[bool]:
    label = JOB_LABELS.alias()
    found = [label.c.job_id == JOBS.c.id, label.c.key == key]
    if value is not None:
        found.append(_Filtered(label.c.value) == value)
    return sa.select(sa.literal(1)).select_from(label).where(*found).correlate(JOBS).exists()
