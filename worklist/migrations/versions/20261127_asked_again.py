"""when the archive was asked for a report again"""

import sqlalchemy as sa
from alembic import op

revision = 'a5ced0a9a127'
down_revision = '2b16b1657e50'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('report', sa.Column('asked_again_at', sa.DateTime(timezone=True), nullable=True))
