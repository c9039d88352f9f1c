"""which origins a Study Instance UID has is read from an index alone"""

from alembic import op

revision = "c0a1e7e5d102"
down_revision = "e1fb18af4f2f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_study_study_uid_origin", "study", ["study_uid", "origin"])
    op.drop_index("ix_study_study_uid", table_name="study")


def downgrade() -> None:
    op.create_index("ix_study_study_uid", "study", ["study_uid"])
    op.drop_index("ix_study_study_uid_origin", table_name="study")
