import { speak } from '../i18n';

export const { t } = speak({
  fr: {
    me: 'Moi', contacts: 'Contacts', contactsAbout: 'Les personnes à qui vous écrivez.', account: 'Mon compte', accountAbout: 'Mot de passe, place occupée, nouvelles, appareils connectés, export.',
    devices: 'Téléphone, tablette, programme de courrier', devicesAbout: 'Comment y recevoir ce courrier.', size: 'Taille du texte', normal: 'Normale', large: 'Grande', larger: 'Plus grande', largest: 'Très grande', signOut: 'Se déconnecter',
    identities: 'Adresses et signatures', identitiesAbout: 'Sous quel nom vous écrivez, avec quelle signature. Une autre adresse s’ajoute ici quand elle mène chez vous.', addIdentity: 'Écrire d’une autre adresse', address: 'Adresse', add: 'Ajouter', change: 'Modifier', remove: 'Enlever', save: 'Enregistrer', cancel: 'Annuler', saved: 'C’est enregistré.',
    name: 'Nom affiché', replyTo: 'Réponses à une autre adresse (facultatif)', signature: 'Signature', picture: 'Image de la signature', noPicture: 'Ce fichier n’est pas une image que nous puissions réduire.', notYours: 'Cette adresse ne mène pas chez vous seul.', identityGone: 'L’adresse {address} ne vous est plus proposée.',
    absence: 'Absence', absenceAbout: 'Une réponse part toute seule pendant que vous n’êtes pas là : une fois en quatre jours à chaque personne, jamais à une liste ni à une machine.', absenceAnswer: 'Répondre pendant mon absence', firstDay: 'Premier jour', lastDay: 'Dernier jour', absenceSubject: 'Objet', absenceText: 'Votre message', absenceOn: 'La réponse d’absence est en marche.', absenceOff: 'La réponse d’absence est arrêtée.', absenceBackwards: 'Le dernier jour vient avant le premier.',
    offline: 'Sans connexion', keep: 'Garder les trente derniers jours sur cet appareil', keepAbout: 'Pour lire et ranger ce courrier dans le train. À choisir sur un appareil qui n’est qu’à vous. La copie s’efface quand vous vous déconnectez ; les pièces jointes n’en font pas partie.', keeping: 'Un instant…', kept: 'La copie est à jour.',
  },
  en: {
    me: 'Me', contacts: 'Contacts', contactsAbout: 'The people you write to.', account: 'My account', accountAbout: 'Password, space used, news, signed-in devices, export.',
    devices: 'Phone, tablet, mail program', devicesAbout: 'How to receive this mail there.', size: 'Size of the text', normal: 'Normal', large: 'Large', larger: 'Larger', largest: 'Very large', signOut: 'Sign out',
    identities: 'Addresses and signatures', identitiesAbout: 'The name you write under, and how you sign. Another address is added here when it leads to you.', addIdentity: 'Write from another address', address: 'Address', add: 'Add', change: 'Change', remove: 'Remove', save: 'Save', cancel: 'Cancel', saved: 'Saved.',
    name: 'Displayed name', replyTo: 'Replies to another address (optional)', signature: 'Signature', picture: 'Picture of the signature', noPicture: 'This file is not a picture that we can make smaller.', notYours: 'This address does not lead to you alone.', identityGone: 'The address {address} is not offered any more.',
    absence: 'Absence', absenceAbout: 'An answer leaves by itself while you are away: once in four days to each person, never to a list or a machine.', absenceAnswer: 'Answer while I am away', firstDay: 'First day', lastDay: 'Last day', absenceSubject: 'Subject', absenceText: 'Your message', absenceOn: 'The absence answer is on.', absenceOff: 'The absence answer is off.', absenceBackwards: 'The last day comes before the first.',
    offline: 'Without a connection', keep: 'Keep the last thirty days on this device', keepAbout: 'To read and tidy this mail on the train. Choose it on a device that is yours alone. The copy goes when you sign out; attachments are not part of it.', keeping: 'One moment…', kept: 'The copy is up to date.',
  },
});
