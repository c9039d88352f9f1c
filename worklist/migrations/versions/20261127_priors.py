"""earlier studies that are fetched from a site's archive"""

import sqlalchemy as sa
from alembic import op

revision = 'f2e7c4ed0a01'
down_revision = 'c0f14d5c9e02'
branch_labels = None
depends_on = None

STATES = ('WANTED', 'COMING', 'DONE', 'NEEDS_PERSON', 'CANCELLED')


def upgrade() -> None:
    op.add_column('peer', sa.Column('retrieval', sa.String(length=8), nullable=False, server_default=''))
    op.add_column('study', sa.Column('fetched', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        'prior_search',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('case_id', sa.Integer(), nullable=False),
        sa.Column('site_id', sa.Integer(), nullable=False),
        sa.Column('asked_by', sa.Integer(), nullable=True),
        sa.Column('patient_id', sa.String(), nullable=False),
        sa.Column('issuer', sa.String(), nullable=False),
        sa.Column('patient_name', sa.String(), nullable=False),
        sa.Column('birth_date', sa.String(length=8), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('source', sa.String(), nullable=False),
        sa.Column('left_out', sa.JSON(), nullable=False),
        *_tried(),
        sa.ForeignKeyConstraint(['case_id'], ['case.id'], name=op.f('fk_prior_search_case_id')),
        sa.ForeignKeyConstraint(['site_id'], ['site.id'], name=op.f('fk_prior_search_site_id')),
        sa.ForeignKeyConstraint(['asked_by'], ['person.id'], name=op.f('fk_prior_search_asked_by')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_prior_search')),
        sa.UniqueConstraint('case_id', name=op.f('uq_prior_search_case_id')),
    )
    op.create_index(op.f('ix_prior_search_site_id'), 'prior_search', ['site_id'])
    op.create_index('ix_prior_search_state_next_attempt_at', 'prior_search', ['state', 'next_attempt_at'])
    op.create_table(
        'prior',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('search_id', sa.Integer(), nullable=False),
        sa.Column('origin', sa.String(length=32), nullable=False),
        sa.Column('study_uid', sa.String(length=64), nullable=False),
        sa.Column('study_date', sa.String(length=8), nullable=False),
        sa.Column('description', sa.String(), nullable=False),
        sa.Column('modalities', sa.JSON(), nullable=False),
        sa.Column('images', sa.Integer(), nullable=True),
        sa.Column('lacking', sa.Integer(), nullable=False),
        sa.Column('was_here', sa.Boolean(), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
        *_tried(),
        sa.ForeignKeyConstraint(['search_id'], ['prior_search.id'], name=op.f('fk_prior_search_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_prior')),
    )
    op.create_index('uq_prior_search_id_study_uid', 'prior', ['search_id', 'study_uid'], unique=True)
    op.create_index('ix_prior_origin_study_uid', 'prior', ['origin', 'study_uid'])
    op.create_index('ix_prior_state_next_attempt_at', 'prior', ['state', 'next_attempt_at'])


def _tried() -> list[sa.Column[object]]:
    state = sa.Enum(*STATES, name='priorstate', native_enum=False, length=16)
    return [
        sa.Column('state', state, nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('last_error', sa.Text(), nullable=False),
    ]
