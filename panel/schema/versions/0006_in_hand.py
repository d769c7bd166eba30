"""in hand"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TO_MOVE = "fk_sent_requests_move_id_moves"
#: Until now a request named its user by the row in the run alone.
NAMED = "UPDATE sent_requests SET user_name = coalesce((SELECT name FROM moves WHERE moves.id = sent_requests.move_id), '')"


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.add_column(sa.Column("in_hand_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("unreadable", sa.Boolean(), nullable=False, server_default=sa.false()))
    # When a row was last written is what was gone by until now.
    op.execute(sa.text("UPDATE moves SET in_hand_at = changed_at"))
    with op.batch_alter_table("sent_requests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("user_name", sa.String(length=255), nullable=False, server_default=""))
        batch_op.drop_constraint(batch_op.f(TO_MOVE), type_="foreignkey")
        batch_op.create_foreign_key(batch_op.f(TO_MOVE), "moves", ["move_id"], ["id"], ondelete="SET NULL")
    op.execute(sa.text(NAMED))
    with op.batch_alter_table("pacemakers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("turn_of", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("turn_until", sa.DateTime(), nullable=True))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("pacemakers", schema=None) as batch_op:
        batch_op.drop_column("turn_until")
        batch_op.drop_column("turn_of")
    with op.batch_alter_table("sent_requests", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f(TO_MOVE), type_="foreignkey")
        batch_op.create_foreign_key(batch_op.f(TO_MOVE), "moves", ["move_id"], ["id"], ondelete="CASCADE")
        batch_op.drop_column("user_name")
    with op.batch_alter_table("moves", schema=None) as batch_op:
        batch_op.drop_column("unreadable")
        batch_op.drop_column("in_hand_at")
