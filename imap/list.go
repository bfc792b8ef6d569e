package imap

var listCommands = commands{}
var listCapabilities = []string{}
