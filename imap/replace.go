package imap

var replaceCommands = commands{}
var replaceCapabilities = []string{}
