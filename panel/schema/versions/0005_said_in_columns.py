"""said in columns"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: Until now the list of who changed what alone knew who was tried again.
RETRIED = """
UPDATE migrations SET retried_at = (
    SELECT max(at) FROM audit_entries WHERE action = 'migration.retried' AND (
        detail = 'Migration ' || CAST(migrations.id AS VARCHAR(20)) || '.'
        OR detail LIKE 'Migration ' || CAST(migrations.id AS VARCHAR(20)) || '. %'
    )
)
"""


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("falls", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("stood", sa.String(length=12), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("retried_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("awaited_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_migrations_awaited_id_servers"), "servers", ["awaited_id"], ["id"], ondelete="SET NULL")
    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.add_column(sa.Column("missing_since", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("from_backup", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.text(RETRIED))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.drop_column("from_backup")
        batch_op.drop_column("missing_since")
    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_migrations_awaited_id_servers"), type_="foreignkey")
        for column in ("awaited_id", "retried_at", "stood", "falls", "deaths"):
            batch_op.drop_column(column)
