"""transfers that were cut"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'c0f14d5c9e02'
down_revision = 'c0f14d5c9e01'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'cut_off',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('origin', sa.String(length=32), nullable=False),
        sa.Column('sender', sa.String(length=16), nullable=False),
        sa.Column('study_uid', sa.String(length=64), nullable=False),
        sa.Column('images', sa.Integer(), nullable=False),
        sa.Column('in_image', sa.Boolean(), nullable=False),
        sa.Column('at', worklist.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column('mended_at', worklist.models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_cut_off')),
    )
    op.create_index(op.f('ix_cut_off_study_uid'), 'cut_off', ['study_uid'])
