// What clients and query builders of Node send. The first argument is which; PACKAGES is where they are installed.
"use strict";
const path = require("path");
const load = (name) => require(require.resolve(name, { paths: [process.env.PACKAGES] }));
const server = { host: "127.0.0.1", port: Number(process.env.PGPORT), user: "postgres", database: "tools" };

async function nodePostgres() {
  const { Client, Pool } = load("pg");
  const client = new Client(server);
  await client.connect();
  await client.query("CREATE TABLE IF NOT EXISTS np_user (id serial PRIMARY KEY, name text, facts jsonb)");
  await client.query("BEGIN");
  await client.query("INSERT INTO np_user (name, facts) VALUES ($1, $2) RETURNING id", ["x", { a: 1 }]);
  await client.query({ name: "by-id", text: "SELECT * FROM np_user WHERE id = $1", values: [1] });
  await client.query("COMMIT");
  await client.query("SELECT NOW() as now");
  await client.query("LISTEN changed");
  await client.query("NOTIFY changed, 'x'");
  await client.end();
  const pool = new Pool(server);
  await pool.query("UPDATE np_user SET name = $1 WHERE id = ANY($2::int[])", ["y", [1, 2]]);
  await pool.query("DROP TABLE np_user");
  await pool.end();
}

async function knex() {
  const db = load("knex")({ client: "pg", connection: server });
  const migration = (name, up, down) => ({ name, up, down });
  const migrations = [
    migration(
      "1_users",
      async (k) => {
        await k.schema.createTable("k_user", (t) => {
          t.increments("id");
          t.string("email", 100).notNullable().unique();
          t.enum("kind", ["a", "b"], { useNative: true, enumName: "k_kind" });
          t.jsonb("facts").defaultTo("{}");
          t.uuid("token").defaultTo(k.raw("gen_random_uuid()"));
          t.specificType("tags", "text[]");
          t.timestamps(true, true);
          t.comment("who");
        });
        await k.schema.createTable("k_post", (t) => {
          t.bigIncrements("id");
          t.integer("user_id").references("id").inTable("k_user").onDelete("CASCADE").index();
          t.text("body").comment("what");
          t.decimal("price", 10, 2);
          t.check("?? > 0", ["price"]);
          t.unique(["user_id", "body"]);
        });
      },
      (k) => k.schema.dropTable("k_post").dropTable("k_user").raw("DROP TYPE k_kind"),
    ),
    migration(
      "2_alter",
      (k) =>
        k.schema.alterTable("k_post", (t) => {
          t.boolean("live").notNullable().defaultTo(false);
          t.text("body").notNullable().alter();
          t.renameColumn("price", "cost");
          t.index(["live"], "k_live", { predicate: k.whereNotNull("cost") });
        }),
      (k) => k.schema.alterTable("k_post", (t) => t.dropColumn("live").renameColumn("cost", "price")),
    ),
  ];
  const source = { getMigrations: async () => migrations, getMigrationName: (m) => m.name, getMigration: async (m) => m };
  await db.migrate.latest({ migrationSource: source });
  await db.migrate.list({ migrationSource: source });
  const [user] = await db("k_user").insert({ email: "a@b", kind: "a", tags: ["x"] }).returning(["id"]);
  await db.batchInsert("k_post", [{ user_id: user.id, body: "1", cost: 1 }, { user_id: user.id, body: "2", cost: 2 }]);
  await db("k_user").insert({ email: "a@b" }).onConflict("email").merge({ kind: "b" }).where("k_user.id", ">", 0);
  await db("k_user").insert({ email: "a@b" }).onConflict("email").ignore();
  await db("k_post as p").join("k_user as u", "u.id", "p.user_id").leftJoin("k_post as q", function () { this.on("q.id", "=", "p.id").andOn("q.cost", ">", db.raw("?", [0])); }).select("u.email", db.raw("count(*) over (partition by ??) as n", ["u.id"])).whereIn("p.id", [1, 2]).andWhere((b) => b.where("u.email", "ilike", "a%").orWhereNull("p.body")).orderBy("p.id", "desc", "last").limit(5).offset(1);
  await db("k_user").whereExists(db("k_post").whereRaw("k_post.user_id = k_user.id")).whereJsonSupersetOf("facts", {}).first();
  await db("k_post").select("user_id").count({ n: "*" }).sum("cost").groupBy("user_id").havingRaw("count(*) > ?", [0]);
  await db.with("w", db("k_post").select("id")).select("*").from("w").union([db("k_user").select("id")]);
  await db.transaction(async (t) => {
    await t("k_post").forUpdate().skipLocked().where({ live: false });
    await t("k_user").increment("id", 0).where({ id: user.id }).returning("*");
    await t.transaction((u) => u("k_post").where("id", -1).del());
  });
  await db("k_user").update({ kind: "b", updated_at: db.fn.now() }).where({ id: user.id });
  await db("k_user").columnInfo();
  await db.schema.hasTable("k_user");
  await db.schema.hasColumn("k_user", "email");
  await db("k_post").truncate();
  await db.migrate.rollback({ migrationSource: source }, true);
  await db.destroy();
}

async function sequelize() {
  const { Sequelize, DataTypes, Op } = load("sequelize");
  const db = new Sequelize({ dialect: "postgres", ...server, username: "postgres", logging: false });
  const User = db.define("sq_user", { name: { type: DataTypes.STRING, comment: "how" }, kind: DataTypes.ENUM("a", "b"), tags: DataTypes.ARRAY(DataTypes.TEXT), facts: DataTypes.JSONB, token: { type: DataTypes.UUID, defaultValue: DataTypes.UUIDV4 } }, { paranoid: true, indexes: [{ unique: true, fields: ["name"] }] });
  const Post = db.define("sq_post", { body: DataTypes.TEXT, cost: DataTypes.DECIMAL(10, 2) }, { indexes: [{ fields: ["cost"], where: { cost: { [Op.gt]: 0 } } }] });
  User.hasMany(Post, { onDelete: "CASCADE" });
  Post.belongsTo(User);
  await db.authenticate();
  await db.sync({ force: true });
  await db.sync({ alter: true });
  const user = await User.create({ name: "x", kind: "a", tags: ["a"], facts: { k: 1 } });
  await Post.bulkCreate([{ body: "1", cost: 1, sqUserId: user.id }, { body: "2", cost: 2 }], { returning: true, updateOnDuplicate: ["body"] });
  await User.findAll({ include: [{ model: Post, required: false, separate: true }], where: { name: { [Op.iLike]: "x%" }, tags: { [Op.contains]: ["a"] }, "facts.k": 1 }, order: [["id", "DESC"]], limit: 3 });
  await User.findAndCountAll({ include: Post, limit: 2, offset: 1, distinct: true });
  await Post.findAll({ attributes: ["sqUserId", [db.fn("COUNT", db.col("id")), "n"]], group: "sqUserId", having: db.where(db.fn("COUNT", db.col("id")), ">", 0) });
  await db.transaction(async (transaction) => {
    await User.findOne({ where: { id: user.id }, lock: true, skipLocked: true, transaction });
    await User.findOrCreate({ where: { name: "y" }, transaction });
    await User.upsert({ id: user.id, name: "x", kind: "b" }, { transaction });
    await Post.increment("cost", { by: 1, where: { id: 1 }, transaction });
  });
  await user.update({ name: "z" });
  await user.destroy();
  await user.restore();
  const queries = db.getQueryInterface();
  await queries.addColumn("sq_posts", "live", { type: DataTypes.BOOLEAN, defaultValue: false });
  await queries.changeColumn("sq_posts", "live", { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: true });
  await queries.renameColumn("sq_posts", "live", "alive");
  await queries.addIndex("sq_posts", ["alive"], { concurrently: true });
  await queries.addConstraint("sq_posts", { type: "check", fields: ["cost"], where: { cost: { [Op.gt]: 0 } } });
  for (const what of ["describeTable", "showIndex", "getForeignKeyReferencesForTable"]) await queries[what]("sq_posts");
  await queries.showAllTables();
  await Post.truncate({ cascade: true, restartIdentity: true });
  await db.drop({ cascade: true });
  await db.close();
}

async function typeorm() {
  load("reflect-metadata");
  const { DataSource, EntitySchema, In, MoreThan, Table, TableColumn, TableIndex } = load("typeorm");
  const User = new EntitySchema({ name: "to_user", columns: { id: { type: Number, primary: true, generated: true }, name: { type: String, unique: true }, kind: { type: "enum", enum: ["a", "b"], default: "a" }, tags: { type: "text", array: true, default: "{}" }, facts: { type: "jsonb", nullable: true }, made: { type: "timestamptz", createDate: true }, gone: { type: "timestamptz", deleteDate: true, nullable: true } }, relations: { posts: { type: "one-to-many", target: "to_post", inverseSide: "user" } } });
  const Post = new EntitySchema({ name: "to_post", columns: { id: { type: "uuid", primary: true, generated: "uuid" }, body: { type: "text" }, cost: { type: "numeric", precision: 10, scale: 2, default: 1 } }, relations: { user: { type: "many-to-one", target: "to_user", inverseSide: "posts", onDelete: "CASCADE", joinColumn: true } }, indices: [{ columns: ["cost"], where: "cost > 0" }], checks: [{ expression: '"cost" > 0' }] });
  class First1700000000000 {
    async up(runner) {
      await runner.createTable(new Table({ name: "to_more", columns: [{ name: "id", type: "int", isPrimary: true, isGenerated: true }, { name: "a", type: "varchar", length: "40" }] }), true);
      await runner.addColumn("to_more", new TableColumn({ name: "b", type: "int", isNullable: true }));
      await runner.createIndex("to_more", new TableIndex({ name: "to_more_a", columnNames: ["a"] }));
      await runner.renameColumn("to_more", "b", "c");
    }
    async down(runner) {
      await runner.dropTable("to_more");
    }
  }
  const db = new DataSource({ type: "postgres", ...server, username: "postgres", entities: [User, Post], migrations: [First1700000000000], synchronize: true, uuidExtension: "pgcrypto", installExtensions: false });
  await db.initialize();
  await db.synchronize();
  await db.runMigrations();
  const users = db.getRepository("to_user");
  const posts = db.getRepository("to_post");
  const user = await users.save({ name: "x", tags: ["a"], facts: { k: 1 } });
  await posts.save([{ body: "1", user }, { body: "2", user }]);
  await users.find({ relations: { posts: true }, where: { name: In(["x", "y"]), posts: { cost: MoreThan(0) } }, order: { id: "DESC" }, take: 2, skip: 0 });
  await users.findOneBy({ id: user.id });
  await users.findAndCount({ where: { kind: "a" } });
  await users.createQueryBuilder("u").leftJoinAndSelect("u.posts", "p").where("u.name ILIKE :n", { n: "x%" }).andWhere((q) => "u.id IN " + q.subQuery().select("s.id").from("to_user", "s").getQuery()).orderBy("p.cost", "ASC", "NULLS LAST").getMany();
  await posts.createQueryBuilder("p").select("p.userId", "user").addSelect("SUM(p.cost)", "sum").groupBy("p.userId").having("SUM(p.cost) > 0").getRawMany();
  await users.upsert({ name: "x", kind: "b" }, ["name"]);
  await users.update({ id: user.id }, { name: "z" });
  await users.increment({ id: user.id }, "id", 0);
  await db.transaction(async (manager) => {
    await manager.getRepository("to_user").createQueryBuilder("u").setLock("pessimistic_write").where("u.id = :id", { id: user.id }).getOne();
    await manager.transaction((inner) => inner.getRepository("to_post").delete({ body: "2" }));
  });
  await users.softDelete({ id: user.id });
  await users.restore({ id: user.id });
  await users.remove(await users.findOneBy({ id: user.id }));
  await db.undoLastMigration();
  await db.dropDatabase();
  await db.destroy();
}

async function drizzle() {
  const { drizzle } = load("drizzle-orm/node-postgres");
  const { pgTable, serial, text, integer, jsonb } = load("drizzle-orm/pg-core");
  const { eq, sql, relations, and, gt, count } = load("drizzle-orm");
  const { Pool } = load("pg");
  const pool = new Pool(server);
  const user = pgTable("dz_user", { id: serial("id").primaryKey(), name: text("name"), facts: jsonb("facts") });
  const post = pgTable("dz_post", { id: serial("id").primaryKey(), userId: integer("user_id"), body: text("body") });
  const userRelations = relations(user, ({ many }) => ({ posts: many(post) }));
  const postRelations = relations(post, ({ one }) => ({ user: one(user, { fields: [post.userId], references: [user.id] }) }));
  const db = drizzle(pool, { schema: { user, post, userRelations, postRelations } });
  await db.execute(sql`CREATE TABLE dz_user (id serial PRIMARY KEY, name text UNIQUE, facts jsonb)`);
  await db.execute(sql`CREATE TABLE dz_post (id serial PRIMARY KEY, user_id int, body text)`);
  const [made] = await db.insert(user).values([{ name: "x", facts: { a: 1 } }, { name: "y" }]).returning({ id: user.id });
  await db.insert(post).values({ userId: made.id, body: "b" });
  await db.insert(user).values({ name: "x" }).onConflictDoUpdate({ target: user.name, set: { facts: { b: 2 } }, setWhere: gt(user.id, 0) });
  await db.insert(user).values({ name: "x" }).onConflictDoNothing();
  await db.query.user.findMany({ with: { posts: { limit: 2 } }, where: (u, { ilike }) => ilike(u.name, "x%"), orderBy: (u, { desc }) => desc(u.id) });
  await db.query.post.findFirst({ with: { user: true } });
  await db.select({ name: user.name, n: count(post.id) }).from(user).leftJoin(post, and(eq(post.userId, user.id), gt(post.id, 0))).groupBy(user.name).limit(3).offset(0);
  const w = db.$with("w").as(db.select().from(post));
  await db.with(w).select().from(w);
  await db.transaction(async (t) => {
    await t.select().from(user).where(eq(user.id, made.id)).for("update", { skipLocked: true });
    await t.update(user).set({ name: sql`${user.name} || '!'` }).where(eq(user.id, made.id));
    await t.transaction((inner) => inner.delete(post).where(eq(post.userId, made.id)));
  }, { isolationLevel: "read committed", accessMode: "read write", deferrable: false });
  await db.execute(sql`DROP TABLE dz_user, dz_post`);
  await pool.end();
}

async function kysely() {
  const { Kysely, PostgresDialect, Migrator, sql } = load("kysely");
  const { Pool } = load("pg");
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool(server) }) });
  const first = {
    up: async (k) => {
      await k.schema.createType("ky_kind").asEnum(["a", "b"]).execute();
      await k.schema.createTable("ky_user").addColumn("id", "serial", (c) => c.primaryKey()).addColumn("name", "varchar(40)", (c) => c.notNull().unique()).addColumn("kind", sql`ky_kind`).addColumn("made", "timestamptz", (c) => c.defaultTo(sql`now()`)).execute();
      await k.schema.createTable("ky_post").addColumn("id", "bigint", (c) => c.generatedAlwaysAsIdentity().primaryKey()).addColumn("user_id", "integer", (c) => c.references("ky_user.id").onDelete("cascade")).addColumn("body", "text").addCheckConstraint("ky_long", sql`length(body) > 0`).execute();
      await k.schema.createIndex("ky_body").on("ky_post").using("btree").columns(["user_id", "body desc"]).execute();
      await k.schema.alterTable("ky_post").addColumn("live", "boolean", (c) => c.defaultTo(false)).execute();
      await k.schema.alterTable("ky_post").alterColumn("body", (c) => c.setNotNull()).execute();
      await k.schema.createView("ky_names").orReplace().as(k.selectFrom("ky_user").select("name")).execute();
    },
    down: async (k) => {
      await k.schema.dropView("ky_names").ifExists().execute();
      await k.schema.dropTable("ky_post").ifExists().cascade().execute();
      await k.schema.dropTable("ky_user").execute();
      await k.schema.dropType("ky_kind").execute();
    },
  };
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ first }) } });
  await migrator.migrateToLatest();
  await db.introspection.getTables();
  await db.introspection.getSchemas();
  const user = await db.insertInto("ky_user").values({ name: "x", kind: "a" }).returningAll().executeTakeFirstOrThrow();
  await db.insertInto("ky_post").values([{ user_id: user.id, body: "1" }, { user_id: user.id, body: "2" }]).onConflict((c) => c.doNothing()).execute();
  await db.insertInto("ky_user").values({ name: "x" }).onConflict((c) => c.column("name").doUpdateSet({ kind: "b" })).execute();
  await db.selectFrom("ky_user as u").innerJoin("ky_post as p", (j) => j.onRef("p.user_id", "=", "u.id").on("p.live", "=", false)).select(["u.name", (e) => e.fn.countAll().as("n"), (e) => e.selectFrom("ky_post").select("body").limit(1).as("one")]).where("u.name", "in", ["x", "y"]).groupBy("u.name").having((e) => e.fn.countAll(), ">", 0).orderBy("u.name", "desc").distinctOn("u.name").execute();
  await db.with("w", (q) => q.selectFrom("ky_post").selectAll()).selectFrom("w").selectAll().where((e) => e.or([e("body", "=", "1"), e.exists(e.selectFrom("ky_user").select("id"))])).execute();
  await db.transaction().setIsolationLevel("serializable").execute((t) => t.updateTable("ky_post").from("ky_user").set({ body: "z" }).whereRef("ky_user.id", "=", "ky_post.user_id").returning("ky_post.id").execute());
  await db.deleteFrom("ky_post").using("ky_user").whereRef("ky_user.id", "=", "ky_post.user_id").execute();
  await migrator.migrateDown();
  await db.destroy();
}

async function postgresJs() {
  const sql = load("postgres")({ ...server, username: "postgres", onnotice() {} });
  await sql`CREATE TABLE pj_user (id serial PRIMARY KEY, name text, tags text[], facts jsonb)`;
  await sql`INSERT INTO pj_user ${sql([{ name: "x", tags: ["a"] }, { name: "y", tags: [] }], "name", "tags")} RETURNING *`;
  await sql`UPDATE pj_user SET ${sql({ name: "z" }, "name")} WHERE id IN ${sql([1, 2])}`;
  await sql`SELECT ${sql(["id", "name"])} FROM ${sql("pj_user")} WHERE facts @> ${sql.json({})} ORDER BY id`;
  await sql.begin("read write", async (t) => {
    await t`SELECT 1 FROM pj_user FOR NO KEY UPDATE`;
    await t.savepoint((s) => s`DELETE FROM pj_user WHERE id = ${1}`);
  });
  await sql`SELECT id FROM pj_user`.cursor(10, () => {});
  await sql.listen("changed", () => {});
  await sql.notify("changed", "x");
  await sql`DROP TABLE pj_user`;
  await sql.end();
}

const tools = { "node-postgres": nodePostgres, knex, sequelize, typeorm, drizzle, kysely, "postgres.js": postgresJs };
tools[process.argv[2]]().catch((error) => {
  console.error(error);
  process.exit(1);
});
