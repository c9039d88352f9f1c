"""sessions and access"""

import sqlalchemy as sa
from alembic import op

import worklist.models

revision = 'e1fb18af4f2f'
down_revision = 'd4b0c3a1e902'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sign_in_attempt',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('account', sa.String(length=64), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('good', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_in_attempt'))
    )
    with op.batch_alter_table('sign_in_attempt', schema=None) as batch_op:
        batch_op.create_index('ix_sign_in_attempt_account_at', ['account', 'at'], unique=False)
        batch_op.create_index('ix_sign_in_attempt_address_at', ['address', 'at'], unique=False)

    op.create_table('web_session',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('created_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('used_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('browser', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_web_session_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_web_session')),
    sa.UniqueConstraint('sha256', name=op.f('uq_web_session_sha256'))
    )
    with op.batch_alter_table('web_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_web_session_person_id'), ['person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_web_session_used_at'), ['used_at'], unique=False)

    op.create_table('access_line',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_at', worklist.models.UtcDateTime(timezone=True), nullable=False),
    sa.Column('person_id', sa.Integer(), nullable=True),
    sa.Column('action', sa.String(length=64), nullable=False),
    sa.Column('study_uid', sa.String(length=64), nullable=False),
    sa.Column('series_uid', sa.String(length=64), nullable=False),
    sa.Column('case_id', sa.Integer(), nullable=True),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('requests', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_access_line_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_line'))
    )
    with op.batch_alter_table('access_line', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_access_line_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_access_line_case_id'), ['case_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_access_line_person_id'), ['person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_access_line_study_uid'), ['study_uid'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('access_line', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_access_line_study_uid'))
        batch_op.drop_index(batch_op.f('ix_access_line_person_id'))
        batch_op.drop_index(batch_op.f('ix_access_line_case_id'))
        batch_op.drop_index(batch_op.f('ix_access_line_at'))

    op.drop_table('access_line')
    with op.batch_alter_table('web_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_web_session_used_at'))
        batch_op.drop_index(batch_op.f('ix_web_session_person_id'))

    op.drop_table('web_session')
    with op.batch_alter_table('sign_in_attempt', schema=None) as batch_op:
        batch_op.drop_index('ix_sign_in_attempt_address_at')
        batch_op.drop_index('ix_sign_in_attempt_account_at')

    op.drop_table('sign_in_attempt')
