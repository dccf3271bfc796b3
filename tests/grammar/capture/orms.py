"""What ORMs send: schemas are made and looked at, rows are written and read. The first argument is the ORM."""

import os
import sys

HOST, PORT = os.environ["PGHOST"], os.environ["PGPORT"]


def sqlalchemy(driver):
    import sqlalchemy as sa
    from sqlalchemy import orm
    from sqlalchemy.dialects import postgresql as pg

    engine = sa.create_engine(f"postgresql+{driver}://postgres@127.0.0.1:{PORT}/tools")
    Base = orm.declarative_base()

    class Author(Base):
        __tablename__ = f"author_{driver}"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(40), nullable=False, index=True)
        tags = sa.Column(pg.ARRAY(sa.Text))
        facts = sa.Column(pg.JSONB, default=dict)
        made = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
        kind = sa.Column(sa.Enum("a", "b", name=f"kind_{driver}"))
        books = orm.relationship("Book", back_populates="author", cascade="all, delete-orphan")

    class Book(Base):
        __tablename__ = f"book_{driver}"
        __table_args__ = (sa.UniqueConstraint("author_id", "title"), sa.CheckConstraint("price > 0"))
        id = sa.Column(sa.BigInteger, primary_key=True)
        title = sa.Column(sa.Text)
        price = sa.Column(sa.Numeric(10, 2))
        author_id = sa.Column(sa.ForeignKey(Author.id, ondelete="CASCADE"))
        author = orm.relationship(Author, back_populates="books")

    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as s:
        a = Author(name="x", tags=["a"], facts={"k": [1]}, kind="a", books=[Book(title="t", price=1), Book(title="u", price=2)])
        s.add_all([a, Author(name="y")])
        s.commit()
        s.execute(sa.select(Author).options(orm.selectinload(Author.books)).where(Author.name.ilike("x%")).order_by(Author.made.desc().nulls_last()).limit(5)).scalars().all()
        s.execute(sa.select(Author).options(orm.joinedload(Author.books))).unique().scalars().all()
        s.execute(sa.select(Book.author_id, sa.func.count(), sa.func.sum(Book.price).over(partition_by=Book.author_id)).group_by(Book.author_id, Book.price).having(sa.func.count() > 0)).all()
        s.execute(sa.select(Author).where(Author.facts["k"][0].astext == "1", Author.tags.any("a"), Author.tags.contains(["a"]))).all()
        s.execute(sa.select(Author).where(sa.exists().where(Book.author_id == Author.id), Author.id.in_([1, 2]))).all()
        s.execute(sa.select(Author).where(Author.id.in_([1])).with_for_update(skip_locked=True, of=Author)).all()
        c = sa.select(Book.author_id.label("a")).cte("c", recursive=True)
        c = c.union_all(sa.select(c.c.a + 1).where(c.c.a < 3))
        s.execute(sa.select(c)).all()
        s.execute(pg.insert(Author).values([{"id": 100, "name": "z"}]).on_conflict_do_update(index_elements=["id"], set_={"name": sa.text("excluded.name")}, where=Author.name != "q").returning(Author.id)).all()
        s.execute(pg.insert(Author).values(id=101, name="z").on_conflict_do_nothing())
        s.execute(sa.insert(Book), [{"title": f"b{i}", "price": i, "author_id": 100} for i in range(1, 5)])
        s.execute(sa.update(Author).where(Author.id == 100).values(name=Author.name + "!", tags=sa.func.array_append(Author.tags, "n")).returning(Author.name)).all()
        s.execute(sa.delete(Book).where(Book.author_id.in_(sa.select(Author.id).where(Author.name == "q"))))
        s.execute(sa.select(sa.case((Author.name == "x", 1), else_=0), sa.cast(Author.id, sa.Text), sa.extract("year", Author.made), sa.func.coalesce(Author.name, "-"), sa.literal("x").label("l"))).all()
        s.execute(sa.select(Author.id, sa.func.unnest(Author.tags).column_valued("tag"))).all()
        s.execute(sa.select(Author.id).union(sa.select(Book.id)).order_by("id").offset(1)).all()
        with s.begin_nested():
            s.delete(a)
        s.commit()
    inspector = sa.inspect(engine)
    for schema in inspector.get_schema_names():
        inspector.get_sequence_names(schema)
        inspector.get_view_names(schema)
        inspector.get_materialized_view_names(schema)
        inspector.get_enums(schema)
        inspector.get_domains(schema)
        if schema == "app":
            sa.MetaData().reflect(engine, schema=schema, views=True)
    inspector.get_multi_columns(schema="app")
    for what in (inspector.get_table_comment, inspector.get_check_constraints, inspector.get_table_options):
        what("thing", schema="app")
    inspector.get_view_definition("names", schema="app")


def alembic():
    import sqlalchemy as sa
    from alembic import autogenerate, migration, operations
    from sqlalchemy.dialects import postgresql as pg

    engine = sa.create_engine(f"postgresql+psycopg2://postgres@127.0.0.1:{PORT}/tools")
    with engine.begin() as connection:
        context = migration.MigrationContext.configure(connection, opts={"include_schemas": True})
        context._ensure_version_table()
        context.get_current_heads()
        op = operations.Operations(context)
        op.create_table(
            "al_user",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(40), nullable=False, comment="how"),
            sa.Column("kind", sa.Enum("a", "b", name="al_kind")),
            sa.Column("facts", pg.JSONB, server_default=sa.text("'{}'::jsonb")),
            comment="who",
        )
        op.create_table("al_post", sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True), sa.Column("user_id", sa.Integer), sa.Column("cost", sa.Numeric(10, 2)))
        op.create_foreign_key("al_fk", "al_post", "al_user", ["user_id"], ["id"], ondelete="SET NULL", deferrable=True)
        op.create_unique_constraint("al_unique", "al_user", ["name"])
        op.create_check_constraint("al_check", "al_post", "cost > 0")
        op.create_index("al_index", "al_post", ["cost"], postgresql_where=sa.text("cost > 1"), postgresql_using="btree")
        op.create_index("al_gin", "al_user", ["facts"], postgresql_using="gin")
        op.add_column("al_post", sa.Column("live", sa.Boolean, server_default=sa.false(), nullable=False))
        op.alter_column("al_post", "cost", type_=sa.Float, postgresql_using="cost::float", existing_nullable=True)
        op.alter_column("al_post", "live", new_column_name="alive", server_default=None)
        op.alter_column("al_user", "name", nullable=True, comment="other")
        op.bulk_insert(sa.table("al_user", sa.column("name")), [{"name": "x"}, {"name": "y"}])
        op.execute("UPDATE al_user SET name = name || '!' WHERE name IS NOT NULL")
        op.execute("ALTER TYPE al_kind ADD VALUE IF NOT EXISTS 'c'")
        op.rename_table("al_post", "al_posts")
        autogenerate.compare_metadata(context, sa.MetaData())
        op.drop_index("al_index", table_name="al_posts")
        op.drop_constraint("al_fk", "al_posts", type_="foreignkey")
        op.drop_column("al_posts", "alive")
        op.drop_table_comment("al_user")
        op.drop_table("al_posts")
        op.drop_table("al_user")
        op.execute("DROP TYPE al_kind")


def asyncpg():
    import asyncio

    import asyncpg

    async def run():
        c = await asyncpg.connect(host="127.0.0.1", port=int(PORT), user="postgres", database="tools", server_settings={"application_name": "asyncpg"})
        await c.execute("CREATE TYPE ap_pair AS (a int, b app.mood)")
        await c.execute("CREATE TABLE ap_user (id serial PRIMARY KEY, name text, pair ap_pair, span int4range, mails app.email[])")
        await c.fetch("SELECT * FROM ap_user WHERE id = ANY($1) AND pair IS DISTINCT FROM $2::ap_pair", [1], (1, "sad"))
        await c.executemany("INSERT INTO ap_user (name, pair) VALUES ($1, $2)", [("x", (1, "sad")), ("y", None)])
        async with c.transaction(isolation="serializable", readonly=True, deferrable=True):
            async for _ in c.cursor("SELECT id FROM ap_user"):
                pass
        async with c.transaction():
            async with c.transaction():
                await c.fetchval("UPDATE ap_user SET name = $1 WHERE id = $2 RETURNING id", "z", 1)
        await c.copy_records_to_table("ap_user", records=[("w",)], columns=["name"])
        await c.copy_from_query("SELECT name FROM ap_user WHERE id > $1", 0, output=os.devnull, format="csv")
        await c.copy_from_table("ap_user", output=os.devnull, columns=["id", "name"])
        await c.add_listener("changed", lambda *_: None)
        await c.set_type_codec("mood", schema="app", encoder=str, decoder=str)
        await c.reset()
        await c.execute("DROP TABLE ap_user; DROP TYPE ap_pair")
        await c.close()

    asyncio.run(run())


def django():
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "tools", "USER": "postgres", "HOST": "127.0.0.1", "PORT": PORT}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.admin", "django.contrib.messages"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, SECRET_KEY="x",
    )
    django.setup()
    from django.contrib.auth.models import Group, Permission, User
    from django.core.management import call_command
    from django.db import models, transaction
    from django.db.models import F, Q, functions

    quiet = {"verbosity": 0, "interactive": False}
    call_command("migrate", **quiet)
    with open(os.devnull, "w") as out:
        call_command("inspectdb", stdout=out)
    u = User.objects.create_user("x", "x@y", "p")
    u.groups.add(Group.objects.create(name="g"))
    list(User.objects.filter(Q(username__icontains="x") | Q(email__startswith="y"), is_active=True).exclude(groups__name="z").order_by("-date_joined")[:5])
    list(User.objects.select_related().prefetch_related("groups__permissions"))
    list(Permission.objects.values("content_type").annotate(n=models.Count("id"), m=models.Max("codename")).filter(n__gt=1))
    list(User.objects.annotate(l=functions.Lower("username"), y=functions.ExtractYear("date_joined"), d=functions.TruncMonth("date_joined"), r=models.Window(functions.RowNumber(), order_by=F("id").desc())))
    list(User.objects.annotate(c=models.Case(models.When(is_staff=True, then=1), default=0), e=models.Exists(Group.objects.filter(user=models.OuterRef("pk")))))
    list(User.objects.values("username").union(Group.objects.values("name")))
    User.objects.filter(pk=u.pk).update(last_name=functions.Concat(F("username"), models.Value("!")))
    Group.objects.bulk_create([Group(name=f"g{i}") for i in range(3)], ignore_conflicts=True)
    Group.objects.bulk_create([Group(name="g1")], update_conflicts=True, unique_fields=["name"], update_fields=["name"])
    with transaction.atomic():
        list(User.objects.select_for_update(skip_locked=True, of=("self",)))
        with transaction.atomic():
            Group.objects.get_or_create(name="q")
    User.objects.aggregate(models.Avg("id"), n=models.Count("id", filter=Q(is_staff=True), distinct=True))
    User.objects.filter(date_joined__date__gte="2020-01-01", username__regex="^x", id__in=[1, 2]).exists()
    u.delete()
    call_command("flush", **quiet)
    call_command("migrate", "auth", "zero", **quiet)


def peewee():
    import peewee as pw

    db = pw.PostgresqlDatabase("tools", host="127.0.0.1", port=int(PORT), user="postgres")

    class Base(pw.Model):
        class Meta:
            database = db

    class Person(Base):
        name = pw.CharField(unique=True)
        born = pw.DateField(null=True)

    class Pet(Base):
        owner = pw.ForeignKeyField(Person, backref="pets", on_delete="CASCADE")
        name = pw.TextField(index=True)

    db.create_tables([Person, Pet])
    p = Person.create(name="x")
    Pet.insert_many([{"owner": p, "name": "a"}, {"owner": p, "name": "b"}]).execute()
    list(Person.select(Person, pw.fn.COUNT(Pet.id).alias("n")).join(Pet, pw.JOIN.LEFT_OUTER).where(Person.name ** "x%").group_by(Person).order_by(pw.SQL("n").desc()).limit(3))
    list(pw.prefetch(Person.select(), Pet.select()))
    Person.insert(name="x").on_conflict(conflict_target=[Person.name], update={Person.born: None}).execute()
    Pet.update(name=Pet.name + "!").where(Pet.owner.in_(Person.select())).execute()
    with db.atomic():
        Pet.delete().where(Pet.name.contains("a")).execute()
    db.get_tables(), db.get_indexes("pet"), db.get_columns("pet"), db.get_foreign_keys("pet"), db.get_primary_keys("pet")
    db.drop_tables([Person, Pet], cascade=True)


{"sqlalchemy": lambda: sqlalchemy("psycopg2"), "sqlalchemy-psycopg": lambda: sqlalchemy("psycopg"), "sqlalchemy-pg8000": lambda: sqlalchemy("pg8000"), "alembic": alembic, "django": django, "peewee": peewee, "asyncpg": asyncpg}[sys.argv[1]]()
