package imap

var notifyCommands = commands{}
var notifyCapabilities = []string{}
