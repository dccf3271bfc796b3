import java.sql.*;

/** What the JDBC driver sends of itself: it looks at the catalog for the callers of its metadata, and opens transactions. */
class Metadata {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + System.getenv("PGPORT") + "/tools?user=postgres&ApplicationName=jdbc";
        try (Connection c = DriverManager.getConnection(url)) {
            DatabaseMetaData m = c.getMetaData();
            all(m.getCatalogs());
            all(m.getSchemas());
            all(m.getTableTypes());
            all(m.getTypeInfo());
            all(m.getTables(null, "app", "%", new String[] {"TABLE", "VIEW", "SEQUENCE"}));
            all(m.getColumns(null, "app", "thing", "%"));
            all(m.getColumnPrivileges(null, "app", "owner", "name"));
            all(m.getTablePrivileges(null, "app", "owner"));
            all(m.getPrimaryKeys(null, "app", "thing"));
            all(m.getImportedKeys(null, "app", "thing"));
            all(m.getExportedKeys(null, "app", "owner"));
            all(m.getCrossReference(null, "app", "owner", null, "app", "thing"));
            all(m.getIndexInfo(null, "app", "thing", false, true));
            all(m.getBestRowIdentifier(null, "app", "thing", DatabaseMetaData.bestRowSession, true));
            all(m.getVersionColumns(null, "app", "thing"));
            all(m.getFunctions(null, "app", "%"));
            all(m.getFunctionColumns(null, "app", "twice", "%"));
            all(m.getProcedures(null, "app", "%"));
            all(m.getProcedureColumns(null, "app", "%", "%"));
            all(m.getUDTs(null, "app", "%", null));
            m.getSQLKeywords();
            m.getMaxColumnNameLength();
            m.getDefaultTransactionIsolation();
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            c.setReadOnly(true);
            c.setAutoCommit(false);
            try (PreparedStatement s = c.prepareStatement("SELECT id, name FROM app.owner WHERE id > ?")) {
                s.setFetchSize(2);
                s.setLong(1, 0);
                ResultSet rows = s.executeQuery();
                rows.getMetaData().getColumnTypeName(1);
                rows.getMetaData().isNullable(1);
                all(rows);
            }
            Savepoint point = c.setSavepoint();
            c.rollback(point);
            c.commit();
            c.setReadOnly(false);
            c.setSchema("app");
            c.getSchema();
            c.createArrayOf("text", new Object[] {"a"});
            try (CallableStatement s = c.prepareCall("{? = call app.twice(?)}")) {
                s.registerOutParameter(1, Types.INTEGER);
                s.setInt(2, 1);
                s.execute();
            }
            try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                ResultSet rows = s.executeQuery("SELECT id, price FROM app.thing");
                if (rows.next()) {
                    rows.updateInt("price", 5);
                    rows.updateRow();
                }
            }
            try (PreparedStatement s = c.prepareStatement("INSERT INTO app.owner (name) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
                s.setString(1, "x");
                s.addBatch();
                s.executeBatch();
                all(s.getGeneratedKeys());
            }
            c.commit();
            c.isValid(1);
        }
    }

    private static void all(ResultSet rows) throws SQLException {
        while (rows.next()) {}
        rows.close();
    }
}
