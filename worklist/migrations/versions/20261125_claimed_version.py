"""which images there were when a case was claimed"""

import sqlalchemy as sa
from alembic import op

revision = 'a7c3d2f90b14'
down_revision = '517e50ad1e55'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('case', sa.Column('claimed_version', sa.Integer(), nullable=True))
    op.execute(
        """
        UPDATE "case" SET claimed_version = (
            SELECT count(*) FROM instance
            JOIN series ON series.id = instance.series_id
            JOIN case_study ON case_study.study_id = instance.study_id
            WHERE case_study.case_id = "case".id AND NOT series.ours AND instance.received_at <= "case".claimed_at
        ) WHERE claimed_at IS NOT NULL
        """
    )
