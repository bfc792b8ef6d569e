-- What programs keep: links by workflow/link, transfers by workflow/transfer,
-- albums by workflow/album, the rest by package workflow.

-- +goose Up
-- A link leads one person to one thing. Neither token is kept, only its SHA-256.
CREATE TABLE link (
    id         BIGINT PRIMARY KEY,
    kind       TEXT NOT NULL,
    thing      BIGINT NOT NULL,
    owner      BIGINT NOT NULL, -- the member who shares it
    person     TEXT NOT NULL,   -- whose link it is
    manage     BIGINT NOT NULL, -- 1: the owner's own
    lang       TEXT NOT NULL,
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL, -- 0: never
    generation BIGINT NOT NULL,
    token      BYTEA NOT NULL,  -- of the address of the page
    reply      BYTEA NOT NULL,  -- of the address replies go to
    revoked    BIGINT NOT NULL  -- when, 0 while it lives
);
CREATE UNIQUE INDEX link_token ON link (token);
CREATE UNIQUE INDEX link_reply ON link (reply);
CREATE INDEX link_thing ON link (kind, thing);

-- Mails that programs were given: it names their messages for 30 days.
CREATE TABLE inbound (
    id      BIGINT PRIMARY KEY,
    mail    TEXT NOT NULL,
    message BIGINT NOT NULL,
    program TEXT NOT NULL, -- local part of its address
    member  BIGINT NOT NULL,
    key     TEXT NOT NULL, -- knows the mail again when it comes twice
    state   TEXT NOT NULL, -- pending, processing, delivered, bounced, failed
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX inbound_mail ON inbound (mail, program);
CREATE INDEX inbound_message ON inbound (message);
CREATE INDEX inbound_key ON inbound (member, key);

-- How many notices one person got in one hour: the brake of a loop nobody foresaw.
CREATE TABLE notice_rate (
    recipient TEXT NOT NULL,
    hour      BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (recipient, hour)
);

CREATE TABLE transfer (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    member  BIGINT NOT NULL,
    sender  TEXT NOT NULL, -- how guests read who sent it
    key     TEXT NOT NULL, -- of the mail: the same mail twice is one transfer
    subject TEXT NOT NULL,
    note    TEXT NOT NULL,
    mail    TEXT NOT NULL,
    message BIGINT NOT NULL, -- the inbound one, 0 when its bytes are gone
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    ended   BIGINT NOT NULL, -- when it was recalled or swept; then only this row is left
    recalled BIGINT NOT NULL -- 1: the owner took it back
);
CREATE UNIQUE INDEX transfer_key ON transfer (member, key);
CREATE INDEX transfer_expires ON transfer (expires) WHERE ended = 0;
CREATE INDEX transfer_message ON transfer (message);
CREATE TABLE transfer_file (
    transfer   BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size       BIGINT NOT NULL,
    sha256     TEXT NOT NULL, -- hex
    blob       BIGINT NOT NULL,
    PRIMARY KEY (transfer, seq)
);
CREATE INDEX transfer_file_blob ON transfer_file (blob);

CREATE TABLE album (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    member  BIGINT NOT NULL,
    sender  TEXT NOT NULL,
    key     TEXT NOT NULL, -- the folded name; '' once it is gone, with ended in its place
    name    TEXT NOT NULL,
    created BIGINT NOT NULL,
    ended   BIGINT NOT NULL
);
CREATE UNIQUE INDEX album_key ON album (member, key, ended);
-- Photos hold no metadata of the camera but the hour; no bytes that had any are kept.
CREATE TABLE photo (
    id         BIGINT PRIMARY KEY,
    album      BIGINT NOT NULL,
    key        TEXT NOT NULL,   -- of the mail
    part       BIGINT NOT NULL, -- which attachment of the mail
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,   -- of the original
    taken      BIGINT NOT NULL, -- the camera's hour as if it were UTC, 0 when not known
    width      BIGINT NOT NULL, -- upright
    height     BIGINT NOT NULL,
    original   BIGINT NOT NULL, -- blobs: full size without metadata,
    large      BIGINT NOT NULL, -- 2048 px,
    thumb      BIGINT NOT NULL, -- 400 px
    created    BIGINT NOT NULL
);
CREATE UNIQUE INDEX photo_key ON photo (album, key, part);
CREATE INDEX photo_original ON photo (original);
CREATE INDEX photo_large ON photo (large);
CREATE INDEX photo_thumb ON photo (thumb);
-- Mails an album has taken in: the same one twice adds nothing.
CREATE TABLE album_mail (
    album   BIGINT NOT NULL,
    key     TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (album, key)
);

-- +goose Down
DROP TABLE album_mail;
DROP TABLE photo;
DROP TABLE album;
DROP TABLE transfer_file;
DROP TABLE transfer;
DROP TABLE notice_rate;
DROP TABLE inbound;
DROP TABLE link;
