-- Address books, and the cards in them.

-- +goose Up
-- A row for each account that has used its contacts.
CREATE TABLE contact_account (
    account BIGINT PRIMARY KEY,
    modseq  BIGINT NOT NULL, -- of the last change
    floor   BIGINT NOT NULL, -- changes since before it cannot be told
    cards   BIGINT NOT NULL, -- how many there are
    used    BIGINT NOT NULL  -- octets of cards and pictures
);
CREATE TABLE address_book (
    id          BIGINT PRIMARY KEY,
    account     BIGINT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    sort_order  BIGINT NOT NULL,
    is_default  BIGINT NOT NULL,
    subscribed  BIGINT NOT NULL,
    born        BIGINT NOT NULL, -- modseq at which it was made
    modseq      BIGINT NOT NULL  -- and last changed
);
CREATE INDEX address_book_account ON address_book (account, modseq);
-- Beside the card itself stands what is searched in it, folded.
CREATE TABLE contact_card (
    id           BIGINT PRIMARY KEY,
    account      BIGINT NOT NULL,
    uid          TEXT NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    given        TEXT NOT NULL,
    surname      TEXT NOT NULL,
    surname2     TEXT NOT NULL,
    nickname     TEXT NOT NULL,
    organization TEXT NOT NULL,
    email        TEXT NOT NULL,
    phone        TEXT NOT NULL,
    service      TEXT NOT NULL,
    address      TEXT NOT NULL,
    note         TEXT NOT NULL,
    members      TEXT NOT NULL,  -- uids, one a line
    card         BYTEA NOT NULL, -- JSContact (RFC 9553)
    size         BIGINT NOT NULL,
    created      BIGINT NOT NULL, -- as the card says
    updated      BIGINT NOT NULL,
    born         BIGINT NOT NULL,
    modseq       BIGINT NOT NULL
);
CREATE UNIQUE INDEX contact_card_uid ON contact_card (account, uid);
CREATE INDEX contact_card_modseq ON contact_card (account, modseq);
CREATE TABLE contact_shelf (
    card BIGINT NOT NULL,
    book BIGINT NOT NULL,
    PRIMARY KEY (card, book)
);
CREATE INDEX contact_shelf_book ON contact_shelf (book);
CREATE TABLE contact_gone (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    book    BIGINT NOT NULL, -- 1: it was an address book; 0: a card
    born    BIGINT NOT NULL,
    modseq  BIGINT NOT NULL,
    time    BIGINT NOT NULL
);
CREATE INDEX contact_gone_account ON contact_gone (account, modseq);
CREATE INDEX contact_gone_time ON contact_gone (time);
CREATE TABLE contact_picture (
    id         BIGINT PRIMARY KEY,
    account    BIGINT NOT NULL,
    card       BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    size       BIGINT NOT NULL,
    blob       BIGINT NOT NULL
);
CREATE INDEX contact_picture_card ON contact_picture (card);
CREATE INDEX contact_picture_blob ON contact_picture (blob);

-- +goose Down
DROP TABLE contact_picture;
DROP TABLE contact_gone;
DROP TABLE contact_shelf;
DROP TABLE contact_card;
DROP TABLE address_book;
DROP TABLE contact_account;
