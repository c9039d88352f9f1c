"""what was last heard of each sender, and until when the certificates of a site are valid"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'ead0517e0901'
down_revision = 'a7c3d2f90b14'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'heard',
        sa.Column('ae_title', sa.String(length=16), nullable=False),
        sa.Column('at', worklist.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column('address', sa.String(length=64), nullable=False),
        sa.Column('secure', sa.Boolean(), nullable=False),
        sa.Column('accepted', sa.JSON(), nullable=False),
        sa.Column('declined', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('ae_title', name=op.f('pk_heard')),
    )
    op.add_column('site', sa.Column('certificate_ends', sa.JSON(), nullable=False, server_default='{}'))
