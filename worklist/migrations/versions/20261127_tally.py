"""refused objects that are counted and not listed"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'ba11a57e0127'
down_revision = 'f2e7c4ed0a01'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'trouble_tally',
        sa.Column('origin', sa.String(length=32), nullable=False),
        sa.Column('status', sa.Integer(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('first_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column('last_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('origin', 'status', name=op.f('pk_trouble_tally')),
    )
    op.create_index(op.f('ix_trouble_origin'), 'trouble', ['origin'])
