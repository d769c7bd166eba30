"""since when"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    for table in ("servers", "plex_accounts"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("problem_since", sa.DateTime(), nullable=True))

    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("looked_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("changed_at", sa.DateTime(), nullable=True))
    # A read-back of before is too old by now: it is made again.
    op.execute("DELETE FROM pacemakers WHERE name LIKE 'look:%'")

    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sealed", sa.Boolean(), nullable=False, server_default=sa.false()))

    with op.batch_alter_table("one_time_links", schema=None) as batch_op:
        batch_op.add_column(sa.Column("in_use_since", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("closed", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("reopen_after", sa.DateTime(), nullable=True))

    with op.batch_alter_table("settings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("smtp_proved", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("settings", schema=None) as batch_op:
        batch_op.drop_column("smtp_proved")

    with op.batch_alter_table("one_time_links", schema=None) as batch_op:
        for column in ("reopen_after", "closed", "in_use_since"):
            batch_op.drop_column(column)

    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.drop_column("sealed")

    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.drop_column("changed_at")
        batch_op.drop_column("looked_at")

    for table in ("plex_accounts", "servers"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("problem_since")
