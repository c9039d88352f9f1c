"""who may query (nobody yet: the right meant nothing before), and which AE title did"""

import sqlalchemy as sa
from alembic import op

revision = 'c0f14d5c9e01'
down_revision = 'f1d0a51de203'
branch_labels = None
depends_on = None

PEER = sa.table('peer', sa.column('id', sa.Integer()), sa.column('rights', sa.JSON()))


def upgrade() -> None:
    op.add_column('access_line', sa.Column('ae_title', sa.String(length=16), nullable=False, server_default=''))
    connection = op.get_bind()
    for row_id, rights in connection.execute(sa.select(PEER.c.id, PEER.c.rights)).all():
        if 'query' in rights:
            kept = [right for right in rights if right != 'query']
            connection.execute(PEER.update().where(PEER.c.id == row_id).values(rights=kept))
