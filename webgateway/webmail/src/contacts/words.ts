import { speak } from '../i18n';

export const { t, count } = speak({
  fr: {
    contacts: 'Contacts', search: 'Chercher un contact', add: 'Nouveau contact', import: 'Importer un fichier .vcf', export: 'Exporter tous les contacts', empty: 'Aucun contact. Ajoutez une personne, ou importez le fichier .vcf de votre ancien carnet.', nothing: 'Personne de ce nom.', next: 'Montrer la suite',
    name: 'Nom', email: 'Adresse e-mail', phone: 'Téléphone', organization: 'Association, entreprise', address: 'Adresse postale', note: 'Note', picture: 'Photo', noPicture: 'Ce fichier n’est pas une image.', save: 'Enregistrer', cancel: 'Annuler', remove: 'Supprimer ce contact', removed: 'Le contact est supprimé.', saved: 'Le contact est enregistré.', write: 'Écrire', mails: 'Voir les messages', gone: 'Ce contact n’est plus là.', change: 'Modifier', noPictureAnyMore: 'Enlever la photo', nameless: '(sans nom)', emptyForm: 'Un nom ou une adresse, au moins.',
    imported: ['{n} contact est arrivé.', '{n} contacts sont arrivés.'], refused: ['{n} fiche n’a pas pu être lue.', '{n} fiches n’ont pas pu être lues.'], group: 'groupe', members: ['{n} personne', '{n} personnes'], addThis: 'Ajouter aux contacts', added: '{name} est dans vos contacts.',
  },
  en: {
    contacts: 'Contacts', search: 'Search a contact', add: 'New contact', import: 'Import a .vcf file', export: 'Export all contacts', empty: 'No contacts. Add a person, or import the .vcf file of your former address book.', nothing: 'Nobody of that name.', next: 'Show more',
    name: 'Name', email: 'E-mail address', phone: 'Telephone', organization: 'Association, company', address: 'Postal address', note: 'Note', picture: 'Photo', noPicture: 'This file is no picture.', save: 'Save', cancel: 'Cancel', remove: 'Delete this contact', removed: 'The contact is deleted.', saved: 'The contact is saved.', write: 'Write', mails: 'See the messages', gone: 'This contact is no longer here.', change: 'Change', noPictureAnyMore: 'Remove the photo', nameless: '(no name)', emptyForm: 'A name or an address, at least.',
    imported: ['{n} contact has come in.', '{n} contacts have come in.'], refused: ['{n} card could not be read.', '{n} cards could not be read.'], group: 'group', members: ['{n} person', '{n} people'], addThis: 'Add to contacts', added: '{name} is among your contacts.',
  },
});
