# Shared by the tests of CascaDB with other people's clients: a CA, identities, a server process.
# Everything is in $DB_DIR: ca.pem, {cascadb,mdc,auditor,stranger}/, socket/, log.

_certificate() { # DIR SPIFFE_NAME
    mkdir -p "$1"
    openssl ecparam -name prime256v1 -genkey -noout -out "$1/key.pem" 2>/dev/null
    chmod 600 "$1/key.pem"
    openssl req -new -key "$1/key.pem" -subj "/CN=test" -out "$1/csr.pem" 2>/dev/null
    openssl x509 -req -in "$1/csr.pem" -CA "$DB_DIR/ca.pem" -CAkey "$DB_DIR/ca.key" -CAcreateserial -days 2 -sha256 -out "$1/cert.pem" \
        -extfile <(printf 'keyUsage=critical,digitalSignature\nsubjectAltName=URI:spiffe://securecloud.local/%s,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' "$2") 2>/dev/null
    cp "$DB_DIR/ca.pem" "$1/ca.pem"
}

# cascadb_configure MORE: writes everything; MORE are further members of config.json ("" or ', "x": 1')
cascadb_configure() {
    export DB_DIR=$1
    mkdir -p "$DB_DIR/socket"
    openssl ecparam -name prime256v1 -genkey -noout -out "$DB_DIR/ca.key" 2>/dev/null
    openssl req -x509 -new -key "$DB_DIR/ca.key" -sha256 -days 2 -subj "/CN=test CA" -addext keyUsage=critical,keyCertSign,cRLSign -out "$DB_DIR/ca.pem" 2>/dev/null
    for name in cascadb mdc auditor stranger; do
        _certificate "$DB_DIR/$name" "$name"
    done
    head -c 32 /dev/urandom > "$DB_DIR/cascadb/kvs-root.key"
    read -r DB_PORT HTTP_PORT HTTPS_PORT <<< "$(python3 - <<'PY'
import socket
s = [socket.socket() for _ in range(3)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])
PY
)"
    export DB_PORT HTTP_PORT HTTPS_PORT
    for user in "reader read" "writer write"; do
        set -- "$1" "$2" $user
        printf 'password of %s\n' "$3" | securecloud-cascadb-user --file "$DB_DIR/cascadb/users.json" --right "$4" "$3"
    done
    cat > "$DB_DIR/cascadb/config.json" <<JSON
{"http": {"host": "127.0.0.1", "port": $HTTP_PORT}, "listen": {"host": "127.0.0.1", "port": $DB_PORT}, "https": {"host": "127.0.0.1", "port": $HTTPS_PORT},
 "rights": {"spiffe://securecloud.local/mdc": "write", "spiffe://securecloud.local/auditor": "read"},
 "users": "users.json", "insecure_unix_socket": "$DB_DIR/socket/.s.PGSQL.$DB_PORT",
 "volume": "$DB_DIR/volume", "counter": "$DB_DIR/counter"$2}
JSON
}

cascadb_start() {
    securecloud-cascadb --identity "$DB_DIR/cascadb" 2>> "$DB_DIR/log" 3>&- &
    echo $! > "$DB_DIR/pid"
    for _ in $(seq 200); do
        curl -sf "http://127.0.0.1:$HTTP_PORT/healthz" > /dev/null && return 0
        sleep 0.05
    done
    cat "$DB_DIR/log"
    return 1
}

cascadb_stop() {
    [ -e "$DB_DIR/pid" ] || return 0
    local pid
    pid=$(cat "$DB_DIR/pid")
    rm "$DB_DIR/pid"
    kill "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

# as WHO: libpq's words for a connection with WHO's certificate
as() {
    echo "host=localhost hostaddr=127.0.0.1 port=$DB_PORT dbname=securecloud user=$1 sslmode=verify-full sslrootcert=$DB_DIR/ca.pem" \
         "sslcert=$DB_DIR/$1/cert.pem sslkey=$DB_DIR/$1/key.pem"
}

# by USER [PASSWORD]: with a password, without a certificate
by() {
    echo "host=localhost hostaddr=127.0.0.1 port=$DB_PORT dbname=securecloud user=$1 password='${2:-password of $1}'" \
         "sslmode=verify-full sslrootcert=$DB_DIR/ca.pem sslcert=/nowhere sslkey=/nowhere"
}

# post BODY curl's arguments: to /sql with mdc's certificate, unless they say otherwise (-u, --cert)
post() {
    local body=$1
    shift
    case " $* " in *" -u "* | *" --cert "* | *" --anonymous "*) ;; *) set -- "$@" --cert "$DB_DIR/mdc/cert.pem" --key "$DB_DIR/mdc/key.pem" ;; esac
    [ "${1:-}" != --anonymous ] || shift
    curl -sS --cacert "$DB_DIR/ca.pem" -H "Content-Type: application/json" --data-binary "$body" "$@" "https://localhost:$HTTPS_PORT/sql"
}

sql() { # CONNECTION psql's arguments
    local connection=$1
    shift
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$connection" "$@"
}
