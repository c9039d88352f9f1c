"""which images were replaced, and of which series one was refused"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'ca5e80c1f301'
down_revision = 'a3962050e333'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('study', sa.Column('replaced', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('trouble', sa.Column('series_uid', sa.String(), nullable=False, server_default=''))
    op.add_column('case', sa.Column('images_replaced_at', worklist.models.UtcDateTime(timezone=True), nullable=True))
    op.add_column('case', sa.Column('claimed_replaced', sa.Integer(), nullable=True))
    op.execute('UPDATE "case" SET claimed_replaced = 0 WHERE claimed_version IS NOT NULL')
