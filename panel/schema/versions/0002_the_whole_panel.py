"""the whole panel"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entries_at", ["at"], unique=False)

    op.create_table(
        "possible_twins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("answered_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["other_id"], ["users.id"], name=op.f("fk_possible_twins_other_id_users"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_possible_twins_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_possible_twins")),
        sa.UniqueConstraint("user_id", "other_id", name=op.f("uq_possible_twins_user_id")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("admin_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["admin_id"], ["admins.id"], name=op.f("fk_recovery_codes_admin_id_admins"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    with op.batch_alter_table("recovery_codes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recovery_codes_admin_id"), ["admin_id"], unique=False)

    with op.batch_alter_table("admins", schema=None) as batch_op:
        batch_op.add_column(sa.Column("totp_secret", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("totp_used", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("plex_accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pass_overridden", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("problem", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("checked_at", sa.DateTime(), nullable=True))

    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sync_queued_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("sync_step", sa.String(length=255), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("sync_result", sa.Text(), nullable=False, server_default=""))

    with op.batch_alter_table("settings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sync_every_h", sa.Double(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC"))
        batch_op.add_column(sa.Column("public_url", sa.String(length=500), nullable=False, server_default=""))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("settings", schema=None) as batch_op:
        batch_op.drop_column("public_url")
        batch_op.drop_column("time_zone")
        batch_op.drop_column("sync_every_h")

    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_column("sync_result")
        batch_op.drop_column("sync_step")
        batch_op.drop_column("sync_queued_at")

    with op.batch_alter_table("plex_accounts", schema=None) as batch_op:
        batch_op.drop_column("checked_at")
        batch_op.drop_column("problem")
        batch_op.drop_column("pass_overridden")

    with op.batch_alter_table("admins", schema=None) as batch_op:
        batch_op.drop_column("totp_used")
        batch_op.drop_column("totp_secret")

    with op.batch_alter_table("recovery_codes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_recovery_codes_admin_id"))

    op.drop_table("recovery_codes")
    op.drop_table("possible_twins")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_entries_at")

    op.drop_table("audit_entries")
