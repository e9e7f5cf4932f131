"""The kinds of steps of a migration, as text and in parts that run one after the other."""

from collections.abc import Sequence

from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Loop, Part, Rename, Retire
from api.deploy.migrations.index import Index

Step = str | Index | Backfill | Retire | Rename | Contract


def declaration(step: Step) -> str:
    """What the step declares, as a text that never changes: databases have recorded its checksum."""
    if isinstance(step, str):
        return step
    if isinstance(step, Backfill):
        return f"{step.table}: {dict(step.values)} where {step.where}, keep={step.keep}"
    if isinstance(step, Index):
        unique = "UNIQUE " if step.unique else ""
        return f"CREATE {unique}INDEX CONCURRENTLY IF NOT EXISTS {step.name} ON {step.on};"
    if isinstance(step, Retire):
        return f"retire {step.table}.{step.column}, default={step.default}, was_required={step.was_required}"
    definition = f"{step.type}, default={step.default}, not_null={step.not_null}"
    if isinstance(step, Rename):
        return f"rename {step.table}.{step.column} to {step.to}: {definition}"
    return f"contract {step.table}.{step.column}, unused_since={step.unused_since}: {definition}"


def readable(step: Step) -> str:
    """The SQL for `--preview`."""
    if isinstance(step, Backfill):
        return f"-- keeps the old values\n{step.sql};" if step.keep else f"{step.sql};"
    if isinstance(step, Contract):
        kept = step.renamed_to or "the schema gatehouse_undone, in batches"
        return f"-- refused while a server before {step.unused_since} runs; {kept} has the values\n{step.sql}"
    return f"{step.sql(concurrently=True)};" if isinstance(step, Index) else transactional(step)


def transactional(step: Step) -> str:
    """The SQL for one transaction, on tables without other users: indexes without CONCURRENTLY."""
    if isinstance(step, str):
        return step
    return step.sql(concurrently=False) if isinstance(step, Index) else step.sql


def parts(step: Step, migration_id: str, number: int) -> Sequence[Part]:
    """`number` is that of the step in its migration, from 0."""
    if isinstance(step, str | Index):
        return [step]
    if isinstance(step, Backfill):
        return [Loop(step.statement(migration_id, number))]
    if isinstance(step, Retire):
        return [step.sql] if step.sql else []
    return step.parts(migration_id, number)


def revert_parts(step: Step, migration_id: str, number: int) -> Sequence[Part]:
    """What a revert runs before its last transaction, which drops and retains what SQL has created."""
    if isinstance(step, Backfill):
        return [Loop(step.restore_statement(migration_id, number))] if step.keep else []
    if isinstance(step, Contract):
        return step.revert_parts(migration_id, number)
    if isinstance(step, Retire | Rename):
        return [step.revert_sql] if step.revert_sql else []
    return []


def rehearsal_of_revert(step: Step) -> str:
    """The SQL of `revert_parts` for a transaction that is rolled back: it moves no values. May be empty."""
    if isinstance(step, Retire | Rename):
        return step.revert_sql
    return step.add_column if isinstance(step, Contract) else ""


def copy_of_values(step: Step, migration_id: str, number: int) -> str | None:
    """The table with the old values that a revert needs; None if the step keeps none."""
    if isinstance(step, Backfill):
        return step.copy(migration_id, number) if step.keep else None
    return step.copy(migration_id, number) if isinstance(step, Contract) else None
