"""receivers that are reached by DICOMweb"""

import sqlalchemy as sa
from alembic import op

revision = 'd1c0e8a57b02'
down_revision = '9d0a5ea7c401'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('peer', sa.Column('base_url', sa.String(), nullable=False, server_default=''))
    op.add_column('peer', sa.Column('access', sa.Text(), nullable=False, server_default=''))
