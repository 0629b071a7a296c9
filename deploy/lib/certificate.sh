# shellcheck shell=bash
# A certificate authority of this POP's own (run/ca.pem) and the POP's certificate, valid for each of its addresses
# and for localhost. Kept between runs while it is valid and names the same addresses.
# SPDX-License-Identifier: Apache-2.0

CERT_DAYS=825
CERT_SPARE_SECONDS=$((7 * 86400))

certificate_names() {
    local address names=DNS:localhost
    for address in "$@"; do
        names+=",IP:$address"
    done
    printf '%s\n' "$names"
}

# certificate_is_good NAMES
certificate_is_good() {
    [ -f "$RUN/ca.pem" ] && [ -f "$RUN/key.pem" ] && [ "$(cat "$RUN/cert.names" 2>/dev/null)" = "$1" ] &&
        openssl verify -CAfile "$RUN/ca.pem" "$RUN/cert.pem" >/dev/null 2>&1 &&
        openssl x509 -in "$RUN/cert.pem" -noout -checkend "$CERT_SPARE_SECONDS" >/dev/null
}

certificate_make_key() {
    (umask 077 && openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1")
}

certificate_make_authority() {
    certificate_make_key "$RUN/ca.key"
    openssl req -x509 -new -key "$RUN/ca.key" -sha256 -days 3650 -subj "/CN=voxpop quickstart $(hostname)" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -out "$RUN/ca.pem"
}

# certificate_make_leaf NAMES
certificate_make_leaf() {
    certificate_make_key "$RUN/key.pem"
    openssl req -new -key "$RUN/key.pem" -subj "/CN=voxpop" |
        openssl x509 -req -sha256 -days "$CERT_DAYS" -CA "$RUN/ca.pem" -CAkey "$RUN/ca.key" -CAcreateserial \
            -extfile <(printf '%s\n' "subjectAltName=$1" basicConstraints=critical,CA:FALSE \
                keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth \
                subjectKeyIdentifier=hash authorityKeyIdentifier=keyid) -out "$RUN/cert.pem" 2>/dev/null
}

# certificate_prepare ADDRESS …
certificate_prepare() {
    local names
    names=$(certificate_names "$@")
    certificate_is_good "$names" && return 0
    step "certificate for $names"
    rm -f "$RUN/cert.names"
    if [ ! -f "$RUN/ca.key" ] || [ ! -f "$RUN/ca.pem" ]; then
        certificate_make_authority
    fi
    certificate_make_leaf "$names"
    printf '%s\n' "$names" >"$RUN/cert.names"
}
