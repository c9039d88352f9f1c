"""the metadata of open cases' series lie in the database"""

import sqlalchemy as sa
from alembic import op

revision = '24ba4ed0ca5e'
down_revision = '5a3e0a51de02'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'series_metadata',
        sa.Column('series_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('form', sa.Integer(), nullable=False),
        sa.Column('slot', sa.LargeBinary(), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ['series_id'], ['series.id'], name=op.f('fk_series_metadata_series_id'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('series_id', name=op.f('pk_series_metadata')),
    )
