"""What the dispatcher's newest row of `progress` says, for the statements that need it."""

from typing import Final

# The virtual time of the line whose id is put in; nothing was granted of a line that the row does not know.
# The row is looked for once a statement, from the newest end, so that removed rows cost nothing.
VIRTUAL_TIME: Final = """coalesce(((
    select progress.virtual_times from progress order by progress.id desc limit 1
) ->> {line}::text)::float8, 0)"""
# The row that a write of the dispatcher leaves, in place of the one that it began from.
STEP: Final = """stepped as (
    insert into progress (id, virtual_times, promoted, shares, turns, floors)
    values (%(progress)s::bigint + 1, %(virtual_times)s::jsonb, %(promoted)s::jsonb, %(shares)s::jsonb,
        %(turns)s::jsonb, %(floors)s::jsonb)
), left_behind as (
    delete from progress where id = %(progress)s
)"""
