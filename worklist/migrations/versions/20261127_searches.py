"""what searches return and match on, and the indexes that they go by"""

import sqlalchemy as sa
from alembic import op

revision = '9d0a5ea7c401'
down_revision = 'ca5e80c1f301'
branch_labels = None
depends_on = None

NEW_TEXT: dict[str, dict[str, int | None]] = {
    'study': {'timezone': 16},
    'series': {
        'performed_date': 8,
        'performed_time': 16,
        'institution': None,
        'station': None,
        'manufacturer': None,
        'protocol': None,
    },
}


def upgrade() -> None:
    for table, columns in NEW_TEXT.items():
        for name, length in columns.items():
            op.add_column(table, sa.Column(name, sa.String(length), nullable=False, server_default=''))
    op.add_column('instance', sa.Column('bits', sa.Integer(), nullable=False, server_default='0'))
    op.create_table(
        'series_request',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('series_id', sa.Integer(), nullable=False),
        sa.Column('step_id', sa.String(), nullable=False),
        sa.Column('procedure_id', sa.String(), nullable=False),
        sa.ForeignKeyConstraint(['series_id'], ['series.id'], name=op.f('fk_series_request_series_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_series_request')),
    )
    op.create_index(op.f('ix_series_request_series_id'), 'series_request', ['series_id'])
    op.create_index('ix_study_study_date_study_time_study_uid', 'study', ['study_date', 'study_time', 'study_uid'])
    op.create_index(op.f('ix_study_patient_id'), 'study', ['patient_id'], postgresql_using='hash')
    op.create_index(op.f('ix_study_accession'), 'study', ['accession'], postgresql_using='hash')
