"""what is kept aside is known by its dataset"""

import sqlalchemy as sa
from alembic import op

revision = '5a3e0a51de02'
down_revision = 'ba11a57e0127'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('trouble', sa.Column('sha256', sa.String(length=64), server_default='', nullable=False))
