"""decisions on what was kept aside"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'd3c1510a5001'
down_revision = 'c0a1e7e5d101'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('trouble') as batch:
        batch.add_column(sa.Column('decision', sa.String(length=16), nullable=False, server_default=''))
        batch.add_column(sa.Column('decided_by', sa.Integer(), nullable=True))
        batch.add_column(sa.Column('answer', sa.Text(), nullable=False, server_default=''))
        batch.add_column(sa.Column('carried_at', worklist.models.UtcDateTime(timezone=True), nullable=True))
        batch.create_foreign_key(op.f('fk_trouble_decided_by'), 'person', ['decided_by'], ['id'])
