-- Addresses at other hosts that members confirmed, and addresses of programs that
-- are a secret of one member.

-- +goose Up
CREATE TABLE outside_address (
    key       TEXT PRIMARY KEY, -- mail.Address.Key
    address   TEXT NOT NULL,
    member    BIGINT NOT NULL,
    confirmed BIGINT NOT NULL
);
CREATE INDEX outside_address_member ON outside_address (member);

CREATE TABLE secret_address (
    member     BIGINT PRIMARY KEY,
    generation BIGINT NOT NULL, -- the secret is derived from it, under a key that is not here
    secret     BYTEA NOT NULL,  -- SHA-256
    created    BIGINT NOT NULL
);
CREATE UNIQUE INDEX secret_address_secret ON secret_address (secret);

-- +goose Down
DROP TABLE secret_address;
DROP TABLE outside_address;
