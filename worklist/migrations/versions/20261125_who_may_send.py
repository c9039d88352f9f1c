"""who may send: networks, certificates and rights; who was turned away"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = '517e50ad1e55'
down_revision = 'c0a1e7e5d102'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('site', sa.Column('addresses', sa.JSON(), nullable=False, server_default='[]'))
    op.add_column('site', sa.Column('certificates', sa.JSON(), nullable=False, server_default='[]'))
    op.add_column('site', sa.Column('removed_at', worklist.models.UtcDateTime(timezone=True), nullable=True))
    op.add_column('peer', sa.Column('tls', sa.Boolean(), nullable=False, server_default=sa.false()))
    everything = '["store", "echo", "commitment"]'
    op.add_column('peer', sa.Column('rights', sa.JSON(), nullable=False, server_default=everything))
    op.create_table(
        'turned_away',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('calling', sa.String(length=16), nullable=False),
        sa.Column('called', sa.String(length=16), nullable=False),
        sa.Column('address', sa.String(length=64), nullable=False),
        sa.Column('why', sa.String(length=16), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('first_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column('last_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_turned_away')),
    )
    op.create_index(op.f('ix_turned_away_calling'), 'turned_away', ['calling'])
    op.create_index(op.f('ix_turned_away_last_at'), 'turned_away', ['last_at'])
