package imap

var threadCommands = commands{}
var threadCapabilities = []string{}
