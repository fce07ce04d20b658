// What a Java program does with PostgreSQL's driver; run by cascadb.bats.
import java.sql.*;
import java.util.Properties;

public class Jdbc {
    static void check(boolean holds, String what) {
        if (!holds)
            throw new AssertionError(what);
    }

    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", args[1]);
        p.setProperty("password", args[2]);
        p.setProperty("prepareThreshold", "2"); // from then on named statements and binary results
        try (Connection db = DriverManager.getConnection(args[0], p)) {
            try (Statement st = db.createStatement()) {
                st.execute("CREATE TABLE j(id BIGINT PRIMARY KEY, s TEXT, x DOUBLE PRECISION, b BYTEA, f BOOLEAN)");
            }
            db.setAutoCommit(false);
            try (PreparedStatement in = db.prepareStatement("INSERT INTO j VALUES(?, ?, ?, ?, ?)")) {
                for (int i = 0; i < 1000; i++) {
                    in.setLong(1, i);
                    in.setString(2, "row " + i);
                    in.setDouble(3, i / 4.0);
                    in.setBytes(4, new byte[] {(byte) i, 0});
                    in.setBoolean(5, i % 2 == 0);
                    in.addBatch();
                }
                check(in.executeBatch().length == 1000, "batch");
            }
            db.commit();
            try (PreparedStatement q = db.prepareStatement("SELECT id, s, x, b, f FROM j WHERE id >= ? ORDER BY id")) {
                q.setFetchSize(50); // a portal with a row limit
                for (int round = 0; round < 5; round++) {
                    q.setLong(1, 10);
                    try (ResultSet r = q.executeQuery()) {
                        int n = 10;
                        for (; r.next(); n++)
                            check(r.getLong(1) == n && r.getString(2).equals("row " + n) && r.getDouble(3) == n / 4.0
                                    && r.getBytes(4)[0] == (byte) n && r.getBoolean(5) == (n % 2 == 0), "row " + n);
                        check(n == 1000, "rows: " + n);
                    }
                }
            }
            db.commit();
            try (ResultSet r = db.getMetaData().getTables(null, "public", "j", new String[] {"TABLE"})) {
                check(r.next() && r.getString("TABLE_NAME").equals("j") && !r.next(), "getTables");
            }
            try (ResultSet r = db.getMetaData().getColumns(null, "public", "j", "%")) {
                int[] types = {Types.BIGINT, Types.VARCHAR, Types.DOUBLE, Types.BINARY, Types.BIT};
                for (int i = 0; i < types.length; i++)
                    check(r.next() && r.getInt("DATA_TYPE") == types[i] && r.getInt("ORDINAL_POSITION") == i + 1, "getColumns " + i);
                check(!r.next(), "getColumns");
            }
            try (ResultSet r = db.getMetaData().getCatalogs()) {
                check(r.next() && r.getString(1).equals("securecloud"), "getCatalogs");
            }
            db.commit();
            try (Statement st = db.createStatement()) {
                st.executeUpdate("INSERT INTO j(id) VALUES(1)");
                check(false, "a double key was taken");
            } catch (SQLException e) {
                check(e.getSQLState().equals("23505"), e.getSQLState());
            }
            db.rollback();
        }
    }
}
