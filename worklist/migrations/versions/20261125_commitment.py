"""storage commitment transactions"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'd4b0c3a1e902'
down_revision = 'd3c1510a5001'
branch_labels = None
depends_on = None

MOMENT = worklist.models.UtcDateTime(timezone=True)
STATES = sa.Enum('ASKED', 'JUDGED', 'REPORTED', 'GIVEN_UP', name='commitmentstate', native_enum=False, length=16)


def upgrade() -> None:
    op.create_table(
        'commitment',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('origin', sa.String(length=32), nullable=False),
        sa.Column('sender', sa.String(length=16), nullable=False),
        sa.Column('transaction_uid', sa.String(length=64), nullable=False),
        sa.Column('state', STATES, nullable=False),
        sa.Column('received_at', MOMENT, nullable=False),
        sa.Column('judged_at', MOMENT, nullable=True),
        sa.Column('reported_at', MOMENT, nullable=True),
        sa.Column('reported_how', sa.String(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('next_attempt_at', MOMENT, nullable=False),
        sa.Column('lease_until', MOMENT, nullable=True),
        sa.Column('last_error', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_commitment')),
        sa.UniqueConstraint('key', name=op.f('uq_commitment_key')),
    )
    op.create_index('ix_commitment_origin', 'commitment', ['origin'])
    op.create_index('ix_commitment_received_at', 'commitment', ['received_at'])
    op.create_index('ix_commitment_state_next_attempt_at', 'commitment', ['state', 'next_attempt_at'])
    op.create_table(
        'commitment_item',
        sa.Column('commitment_id', sa.Integer(), nullable=False),
        sa.Column('sop_uid', sa.String(length=64), nullable=False),
        sa.Column('sop_class_uid', sa.String(length=64), nullable=False),
        sa.Column('reason', sa.Integer(), nullable=True),
        sa.Column('study_id', sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(['commitment_id'], ['commitment.id'], name=op.f('fk_commitment_item_commitment_id')),
        sa.ForeignKeyConstraint(['study_id'], ['study.id'], name=op.f('fk_commitment_item_study_id')),
        sa.PrimaryKeyConstraint('commitment_id', 'sop_uid', name=op.f('pk_commitment_item')),
    )
    op.create_index('ix_commitment_item_study_id', 'commitment_item', ['study_id'])
