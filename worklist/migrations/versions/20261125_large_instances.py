"""instances of 2 GiB and more"""

import sqlalchemy as sa
from alembic import op

revision = '2b16b1657e50'
down_revision = 'ead0517e0901'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('instance') as table:
        table.alter_column('size', existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False)
