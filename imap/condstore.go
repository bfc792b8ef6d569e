package imap

var condstoreCapabilities = []string{}
