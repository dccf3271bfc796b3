//! What real clients send first, each with who sent it.
//!
//! They were caught by a listener that answers nothing, but for protocols whose server speaks first (a greeting)
//! and where the table says so. The files hold hexadecimal digits: of TLS and PostgreSQL up to 2048 bytes, of all
//! others the first 128 (of Vertica 64).

use agent_ebpf::opening::{
    Kind::{CancelRequest, DirectTls, SslRequest, Startup30, Startup32},
    Verdict::{self, More, Other, Postgres},
};

/// The opening bytes of a client.
pub(crate) struct Capture {
    pub(crate) name: &'static str,
    pub(crate) made_by: &'static str,
    /// What is to be said of them. [`More`] is a ClientHello without the name: the client's next flight tells.
    pub(crate) expect: Verdict,
    hex: &'static str,
}

impl Capture {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        hex::decode(self.hex.split_whitespace().collect::<String>()).unwrap()
    }
}

macro_rules! captures {
    ($($name:literal: $made_by:literal => $expect:expr,)*) => {
        &[$(Capture {
            name: $name,
            made_by: $made_by,
            expect: $expect,
            hex: include_str!(concat!("captures/", $name, ".hex")),
        }),*]
    };
}

#[rustfmt::skip]
pub(crate) const CAPTURES: &[Capture] = captures! {
    "psql-startup": "psql 15.18, sslmode=disable" => Postgres(Startup30),
    "psql-replication": "psql 15.18, replication=database and options" => Postgres(Startup30),
    "psql-ssl-request": "psql 15.18, sslmode=require" => Postgres(SslRequest),
    "psql-cancel": "psql 15.18, interrupted during a query" => Postgres(CancelRequest),
    "libpq18-startup": "psycopg 3.3.9 with its libpq 18, sslmode=disable" => Postgres(Startup30),
    "libpq18-startup-32": "psycopg 3.3.9 with its libpq 18, min_protocol_version=3.2" => Postgres(Startup32),
    "libpq18-cancel-32": "psycopg 3.3.9 with its libpq 18, cancelling on protocol 3.2 with a key of 32 bytes" => Postgres(CancelRequest),
    "libpq18-direct-tls": "psycopg 3.3.9 with its libpq 18, sslnegotiation=direct: a post-quantum key share" => Postgres(DirectTls),
    "asyncpg-startup": "asyncpg 0.32.0, ssl=False: the user comes second" => Postgres(Startup30),
    "asyncpg-direct-tls": "asyncpg 0.32.0, direct_tls=True" => Postgres(DirectTls),
    "pgjdbc-startup": "pgjdbc 42.5.5, sslmode=disable" => Postgres(Startup30),
    "node-pg": "node-postgres 8.23.1" => Postgres(Startup30),
    "postgres-js": "postgres.js 3.4.9" => Postgres(Startup30),
    "openssl-tls-postgresql": "openssl s_client 3.0.19 -alpn postgresql" => Postgres(DirectTls),
    "openssl-tls-postgresql-last": "openssl s_client 3.0.19 -alpn h2,http/1.1,postgresql" => Postgres(DirectTls),
    "openssl-tls-fragments-postgresql": "openssl s_client 3.0.19 -max_send_frag 512 -alpn (200 times a),(200 times b),postgresql: two records" => Postgres(DirectTls),
    "java-tls-postgresql": "OpenJDK 17 SSLSocket, ALPN postgresql" => Postgres(DirectTls),
    "tls13-retry-postgresql": "openssl s_client 3.0.19 -alpn postgresql, asked for a second hello" => Postgres(DirectTls),
    "openssl-tls": "openssl s_client 3.0.19, no ALPN" => More,
    "openssl-tls-h2": "openssl s_client 3.0.19 -alpn h2,http/1.1" => More,
    "openssl-tls12": "openssl s_client 3.0.19 -tls1_2 -alpn h2" => More,
    "python-tls": "Python 3.11 ssl" => More,
    "node-tls": "Node 20.20.2 tls, ALPN h2,http/1.1" => More,
    "java-tls": "OpenJDK 17 SSLSocket, ALPN h2,http/1.1" => More,
    "tls12-whole": "curl 7.88.1 --tls-max 1.2 with a server: both flights and a request" => Other,
    "tls12-resumed": "openssl s_client 3.0.19 -tls1_2 with a session to resume: both flights and a request" => Other,
    "tls13-whole": "curl 7.88.1 with a server: both flights and a request" => Other,
    "tls13-resumed": "openssl s_client 3.0.19 with a session to resume: both flights and a request" => Other,
    "tls13-retry-whole": "curl 7.88.1 with a server that asked for a second hello" => Other,
    "curl-http1": "curl 7.88.1" => Other,
    "curl-http2": "curl 7.88.1 --http2-prior-knowledge" => Other,
    "curl-http-connect": "curl 7.88.1 through an HTTP proxy" => Other,
    "curl-socks5": "curl 7.88.1 through a SOCKS 5 proxy" => Other,
    "grpc-python": "grpcio 1.85.3" => Other,
    "ssh": "ssh 9.2p1" => Other,
    "kafka-python-0.9": "kafka-python 2.0.2 for brokers of 0.9: Metadata version 0 first" => Other,
    "kafka-python-2.5.0": "kafka-python 2.0.2 for brokers of 2.5: Metadata version 1 first" => Other,
    "kafka-python-probe": "kafka-python 2.0.2, asking for the broker's version" => Other,
    "librdkafka": "librdkafka 2.16.0 (confluent-kafka): ApiVersions first" => Other,
    "librdkafka-0.8": "librdkafka 2.16.0 (confluent-kafka) for brokers of 0.8.2: Metadata version 0 first" => Other,
    "redis-cli-resp": "redis-cli 7.0.15 ping" => Other,
    "redis-py": "redis-py 8.1.0" => Other,
    "redis-inline": "bash, the inline command PING" => Other,
    "mariadb-client": "mariadb 10.11 --ssl=0, answering a server's greeting" => Other,
    "mariadb-client-tls": "mariadb 10.11 --ssl, answering a server's greeting: SSLRequest and a ClientHello" => Other,
    "pymysql": "PyMySQL 1.2.4, answering a server's greeting" => Other,
    "pika-amqp091": "pika 1.4.4" => Other,
    "qpid-proton-amqp10": "python-qpid-proton 0.40.0" => Other,
    "paho-mqtt3": "paho-mqtt 2.2.0, MQTT 3.1" => Other,
    "paho-mqtt4": "paho-mqtt 2.2.0, MQTT 3.1.1" => Other,
    "paho-mqtt5": "paho-mqtt 2.2.0, MQTT 5" => Other,
    "pymongo": "pymongo 4.20.1" => Other,
    "cassandra-driver": "cassandra-driver 3.30.1" => Other,
    "cassandra-driver-v3": "cassandra-driver 3.30.1, protocol 3" => Other,
    "pymemcache": "pymemcache 4.0.0" => Other,
    "smtplib": "Python 3.11 smtplib, answering a server's greeting" => Other,
    "python-tds": "python-tds 1.17.1" => Other,
    "oracledb-thin": "python-oracledb 26.1.0, thin" => Other,
    "vertica-startup": "vertica-python 1.4.0: a protocol that came from PostgreSQL's, with version 3.5" => Other,
    "ldapsearch": "ldapsearch 2.5.13" => Other,
    "ldap3": "ldap3 2.9.1" => Other,
    "kinit": "kinit 1.20.1 over TCP" => Other,
    "dig-tcp": "dig 9.18 +tcp" => Other,
    "rpcinfo-tcp": "rpcinfo 1.2.6 for NFS over TCP" => Other,
    "kazoo-zookeeper": "kazoo 2.11.0" => Other,
    "clickhouse-driver": "clickhouse-driver 0.2.11" => Other,
    "neo4j-bolt": "neo4j 6.4.1" => Other,
    "nats-py": "nats-py 2.16.0, answering a server's greeting" => Other,
    "smbprotocol": "smbprotocol 1.17.0" => Other,
    "stomp-py": "stomp.py 9.0.0" => Other,
    "thrift-framed": "thrift 0.25.0, framed" => Other,
    "thrift-framed-old": "thrift 0.25.0, framed, without versions" => Other,
};
