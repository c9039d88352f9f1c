"""what is known of a study's completeness"""

import sqlalchemy as sa
from alembic import op

revision = 'c0a1e7e5d101'
down_revision = '894bbcb4fc2e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('study', sa.Column('expected', sa.Integer(), nullable=True))
    op.add_column('study', sa.Column('asked_version', sa.Integer(), nullable=False, server_default='-1'))
    op.add_column('study', sa.Column('checked_version', sa.Integer(), nullable=False, server_default='-1'))
    op.add_column('study', sa.Column('remarks', sa.JSON(), nullable=False, server_default='[]'))
