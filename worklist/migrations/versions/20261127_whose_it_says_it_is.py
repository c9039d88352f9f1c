"""what an object that was kept aside says of its patient, so that one decision is for equal ones"""

import sqlalchemy as sa
from alembic import op

revision = 'f1d0a51de203'
down_revision = 'd1c0e8a57b02'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ('contradicts', 'patient'):
        op.add_column('trouble', sa.Column(name, sa.String(length=64), nullable=False, server_default=''))
    for name in ('series_number', 'instance_number'):
        op.add_column('trouble', sa.Column(name, sa.Integer(), nullable=True))
    # Of what was kept aside before, nobody wrote down whose it says it is: each is decided about by itself.
    op.execute(
        "UPDATE trouble SET contradicts = 'another identity', patient = key "
        "WHERE kind = 'quarantined' AND reason LIKE 'Its %is not that of the other images of the same study.'"
    )
