"""proofs, rounds and undo"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "pace_waiters",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("migration_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("back_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["migrations.id"], name=op.f("fk_pace_waiters_migration_id_migrations"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", "migration_id", name=op.f("pk_pace_waiters")),
    )
    op.create_table(
        "sent_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("migration_id", sa.Integer(), nullable=False),
        sa.Column("move_id", sa.Integer(), nullable=True),
        sa.Column("server_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["migrations.id"], name=op.f("fk_sent_requests_migration_id_migrations"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["move_id"], ["moves.id"], name=op.f("fk_sent_requests_move_id_moves"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_sent_requests_server_id_servers"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_requests")),
    )
    with op.batch_alter_table("sent_requests", schema=None) as batch_op:
        batch_op.create_index("ix_sent_requests_migration_id_move_id", ["migration_id", "move_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_sent_requests_move_id"), ["move_id"], unique=False)

    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=20), nullable=False, server_default="move"))
        batch_op.add_column(sa.Column("undoes_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("start_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("repeat_every_h", sa.Double(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("rounds_left", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("follows_id", sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f("ix_migrations_follows_id"), ["follows_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_migrations_undoes_id"), ["undoes_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_migrations_follows_id_migrations"), "migrations", ["follows_id"], ["id"], ondelete="SET NULL"
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_migrations_undoes_id_migrations"), "migrations", ["undoes_id"], ["id"], ondelete="SET NULL"
        )

    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.add_column(sa.Column("seen", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("before", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("reminded_at", sa.DateTime(), nullable=True))

    with op.batch_alter_table("pacemakers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("slowness", sa.Double(), nullable=False, server_default="1"))

    with op.batch_alter_table("settings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("remind_after_d", sa.Integer(), nullable=False, server_default="7"))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("settings", schema=None) as batch_op:
        batch_op.drop_column("remind_after_d")

    with op.batch_alter_table("pacemakers", schema=None) as batch_op:
        batch_op.drop_column("slowness")

    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.drop_column("reminded_at")
        batch_op.drop_column("before")
        batch_op.drop_column("seen")

    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_migrations_undoes_id_migrations"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_migrations_follows_id_migrations"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_migrations_undoes_id"))
        batch_op.drop_index(batch_op.f("ix_migrations_follows_id"))
        batch_op.drop_column("follows_id")
        batch_op.drop_column("rounds_left")
        batch_op.drop_column("repeat_every_h")
        batch_op.drop_column("start_at")
        batch_op.drop_column("undoes_id")
        batch_op.drop_column("kind")

    with op.batch_alter_table("sent_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sent_requests_move_id"))
        batch_op.drop_index("ix_sent_requests_migration_id_move_id")

    op.drop_table("sent_requests")
    op.drop_table("pace_waiters")
