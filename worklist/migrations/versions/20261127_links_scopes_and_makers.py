"""links scopes and makers"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'a3962050e333'
down_revision = 'a5ced0a9a127'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('share_link',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('case_id', sa.Integer(), nullable=False),
    sa.Column('study_ids', sa.JSON(), nullable=False),
    sa.Column('made_by', sa.Integer(), nullable=False),
    sa.Column('made_for', sa.String(length=80), nullable=False),
    sa.Column('factor_kind', sa.String(length=16), nullable=False),
    sa.Column('factor', sa.String(length=255), nullable=False),
    sa.Column('mistakes', sa.Integer(), nullable=False),
    sa.Column('created_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', worklist.models.UtcDateTime(timezone=True), nullable=True),
    sa.Column('opened_at', worklist.models.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['case_id'], ['case.id'], name=op.f('fk_share_link_case_id')),
    sa.ForeignKeyConstraint(['made_by'], ['person.id'], name=op.f('fk_share_link_made_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_share_link')),
    sa.UniqueConstraint('sha256', name=op.f('uq_share_link_sha256'))
    )
    with op.batch_alter_table('share_link', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_share_link_case_id'), ['case_id'], unique=False)

    op.create_table('share_visit',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('link_id', sa.Integer(), nullable=False),
    sa.Column('created_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['link_id'], ['share_link.id'], name=op.f('fk_share_visit_link_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_share_visit')),
    sa.UniqueConstraint('sha256', name=op.f('uq_share_visit_sha256'))
    )
    with op.batch_alter_table('share_visit', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_share_visit_link_id'), ['link_id'], unique=False)

    # One by one and with their references inside: SQLite would copy whole tables otherwise, and `series` cannot be copied
    # while instances refer to it.
    op.add_column('access_line', _reference('link_id', 'share_link', 'fk_access_line_link_id'), inline_references=True)
    op.create_index('ix_access_line_link_id', 'access_line', ['link_id'], unique=False)
    op.add_column('series', _reference('made_by', 'person', 'fk_series_made_by'), inline_references=True)
    op.add_column('api_token', sa.Column('name', sa.String(length=80), server_default='', nullable=False))
    op.add_column('api_token', sa.Column('scope', sa.String(length=16), server_default='person', nullable=False))
    op.add_column('api_token', sa.Column('used_at', worklist.models.UtcDateTime(timezone=True), nullable=True))


def _reference(name: str, table: str, constraint: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), sa.ForeignKey(f'{table}.id', name=constraint), nullable=True)
