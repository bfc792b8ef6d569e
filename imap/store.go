package imap

var storeCommands = commands{}
var storeCapabilities = []string{}
