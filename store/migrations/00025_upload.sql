-- Files that come in pieces: blob_piece is written by store/blob, the rest by
-- workflow/upload.

-- +goose Up
-- A joined blob has no bytes of its own: they are those of its pieces, one after the other.
ALTER TABLE blob ADD COLUMN pieces BIGINT NOT NULL DEFAULT 0; -- how many it is joined of; 0: it has its own bytes
CREATE TABLE blob_piece (
    blob  BIGINT NOT NULL,
    seq   BIGINT NOT NULL,
    piece BIGINT NOT NULL, -- a blob with its own bytes; of this join alone, and gone with it
    size  BIGINT NOT NULL,
    PRIMARY KEY (blob, seq)
);
CREATE UNIQUE INDEX blob_piece_piece ON blob_piece (piece);

-- A place where files are handed in, through a page.
CREATE TABLE place (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    member  BIGINT NOT NULL, -- whose it is: what is handed in becomes theirs
    title   TEXT NOT NULL,
    note    TEXT NOT NULL,
    domain  TEXT NOT NULL,   -- of the addresses in letters about it
    album   BIGINT NOT NULL, -- what it feeds; 0: each hand-in is a transfer of its own
    total   BIGINT NOT NULL, -- how many bytes may come in all
    taken   BIGINT NOT NULL, -- how many came
    key     TEXT NOT NULL,   -- of the mail that made it: the same mail twice is one place
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    ended   BIGINT NOT NULL  -- when its owner closed it; 0 not
);
CREATE UNIQUE INDEX place_key ON place (member, key);
CREATE INDEX place_expires ON place (expires);

-- A file on its way in. Its bytes are kept piece by piece.
CREATE TABLE upload (
    id         BIGINT PRIMARY KEY,
    place      BIGINT NOT NULL,
    secret     BYTEA NOT NULL,  -- SHA-256 of what its address ends with
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    seal       TEXT NOT NULL,   -- of a file that only its readers can open: name and type, sealed like it; '' it is in the clear
    partial    BIGINT NOT NULL, -- 1: to be joined with others
    length     BIGINT NOT NULL, -- announced
    received   BIGINT NOT NULL, -- durable
    pieces     BIGINT NOT NULL,
    state      BYTEA,           -- of SHA-256 after what was received
    sha256     TEXT NOT NULL,   -- hex, once it is whole
    blob       BIGINT NOT NULL, -- once it is whole
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL
);
CREATE UNIQUE INDEX upload_secret ON upload (secret);
CREATE INDEX upload_place ON upload (place);
CREATE INDEX upload_expires ON upload (expires);
CREATE INDEX upload_blob ON upload (blob);
CREATE TABLE upload_piece (
    upload BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    piece  BIGINT NOT NULL,
    size   BIGINT NOT NULL,
    PRIMARY KEY (upload, seq)
);
CREATE INDEX upload_piece_piece ON upload_piece (piece);

-- Files that were handed in for an album, until they are photos (workflow/album).
CREATE TABLE album_handed (
    album      BIGINT NOT NULL,
    key        TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size       BIGINT NOT NULL,
    sha256     TEXT NOT NULL,
    blob       BIGINT NOT NULL,
    PRIMARY KEY (album, key, seq)
);
CREATE INDEX album_handed_blob ON album_handed (blob);

-- What only who has the key can read: a file's name and type, sealed like its bytes; '' is in the clear.
ALTER TABLE transfer_file ADD COLUMN seal TEXT NOT NULL DEFAULT '';

-- What was handed in, for the owner's list; the same form twice is one.
CREATE TABLE handed (
    id      BIGINT PRIMARY KEY,
    place   BIGINT NOT NULL,
    key     TEXT NOT NULL,
    giver   TEXT NOT NULL,
    message TEXT NOT NULL,
    files   BIGINT NOT NULL,
    size    BIGINT NOT NULL,
    thing   BIGINT NOT NULL, -- the transfer, or the album
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX handed_key ON handed (place, key);

-- +goose Down
DROP TABLE album_handed;
ALTER TABLE transfer_file DROP COLUMN seal;
DROP TABLE handed;
DROP TABLE upload_piece;
DROP TABLE upload;
DROP TABLE place;
DROP TABLE blob_piece;
ALTER TABLE blob DROP COLUMN pieces;
