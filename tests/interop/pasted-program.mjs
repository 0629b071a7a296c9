import { Client, GatewayIntentBits } from 'discord.js';
import { EndBehaviorType, VoiceConnectionStatus, entersState, joinVoiceChannel } from '@discordjs/voice';

const { VOXPOP_API, VOXPOP_GUILD, VOXPOP_VOICE_CHANNEL, VOXPOP_TOKEN_1 } = process.env;
const { Guilds, GuildMessages, MessageContent, GuildVoiceStates } = GatewayIntentBits;
const client = new Client({
  intents: [Guilds, GuildMessages, MessageContent, GuildVoiceStates],
  rest: { api: VOXPOP_API },
});

client.on('messageCreate', async (message) => {
  if (message.author.id === client.user.id) return;
  if (message.content === 'ping') await message.reply('pong');
});

client.once('clientReady', async () => {
  const guild = client.guilds.cache.get(VOXPOP_GUILD);
  const connection = joinVoiceChannel({
    guildId: guild.id,
    channelId: VOXPOP_VOICE_CHANNEL,
    adapterCreator: guild.voiceAdapterCreator,
    selfDeaf: false,
  });
  await entersState(connection, VoiceConnectionStatus.Ready, 20_000);
  connection.receiver.speaking.on('start', (userId) => {
    if (connection.receiver.subscriptions.has(userId)) return;
    const heard = connection.receiver.subscribe(userId, { end: { behavior: EndBehaviorType.Manual } });
    heard.on('data', (frame) => connection.playOpusPacket(frame));
  });
  console.log(`${client.user.username} is ready in ${guild.name}`);
});

await client.login(VOXPOP_TOKEN_1);
