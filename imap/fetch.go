package imap

var fetchCommands = commands{}
var fetchCapabilities = []string{}
