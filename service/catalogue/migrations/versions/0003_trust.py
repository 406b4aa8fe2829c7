"""Keys, audit, erasures, generations of bundles"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _access_upgrade()
    _durability_upgrade()
    _swaps_upgrade()
    _intake_upgrade()


def downgrade() -> None:
    _intake_downgrade()
    _swaps_downgrade()
    _access_downgrade()
    _durability_downgrade()


def _intake_upgrade() -> None:
    op.add_column("jobs", sa.Column("not_before", sa.DateTime(), nullable=True))
    op.create_table(
        "subtitles",
        sa.Column("video_id", sa.String(length=32), nullable=False),
        sa.Column("vtt", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id"),
    )


def _intake_downgrade() -> None:
    op.drop_table("subtitles")
    op.drop_column("jobs", "not_before")


def _durability_upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("video_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("segment_ids", sa.JSON(), nullable=False),
        sa.Column("requested_at", sa.DateTime(), nullable=False),
        sa.Column("completed_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("video_id"),
    )
    op.create_index("ix_erasures_completed_at", "erasures", ["completed_at"])
    _segment_ids(sa.BigInteger())


def _durability_downgrade() -> None:
    _segment_ids(sa.Integer())
    op.drop_index("ix_erasures_completed_at", table_name="erasures")
    op.drop_table("erasures")


def _segment_ids(kind: sa.types.TypeEngine[int]) -> None:
    """On PostgreSQL the ids had 32 bits; SQLite's always have 64."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("segments", "id", type_=kind)
        op.alter_column("vectors", "segment_id", type_=kind)
        name = "bigint" if isinstance(kind, sa.BigInteger) else "integer"
        op.execute(f"ALTER SEQUENCE segments_id_seq AS {name}")


def _access_upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("previous_sha256", sa.String(length=64), nullable=True),
        sa.Column("previous_until", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=12), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sessions_key_id", "sessions", ["key_id"])
    op.create_table(
        "links",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _access_downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("links")
    op.drop_index("ix_sessions_key_id", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("api_keys")


def _swaps_upgrade() -> None:
    op.create_table(
        "servings",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("bundle_name", sa.String(), nullable=False),
        sa.Column("generation", sa.String(length=32), nullable=True),
        sa.Column("parent_generation", sa.String(length=32), nullable=True),
        sa.Column("previous_bundle", sa.String(length=64), nullable=True),
        sa.Column("previous_name", sa.String(), nullable=True),
        sa.Column("previous_generation", sa.String(length=32), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("switched_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_servings_job_id", "servings", ["job_id"])
    op.create_table(
        "candidates",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("bundle_name", sa.String(), nullable=False),
        sa.Column("generation", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "golden_queries",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )


def _swaps_downgrade() -> None:
    op.drop_table("golden_queries")
    op.drop_table("candidates")
    op.drop_index("ix_servings_job_id", table_name="servings")
    op.drop_table("servings")
