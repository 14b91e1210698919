import assert from 'node:assert/strict'
import test from 'node:test'
import { refused, rows } from './ask.js'
import { someone } from './house.js'
import { group, listed, onResources, subscription, target } from './resources.js'

// Pat owns everything that the sample organisation has.
const pat = onResources(someone('pat'))

/** Makes a management group in another one. */
function managementGroup(name, displayName, parent) {
  return pat.tree.managementGroups.beginCreateOrUpdateAndWait(name, {
    displayName, details: { parent: { id: `/providers/Microsoft.Management/managementGroups/${parent}` } },
  })
}

const names = (list) => list.map((row) => row.name).sort()

test('a tree is made, read, moved and taken', async () => {
  const apiary = await managementGroup('apiary', 'Apiary', 'brightwater')
  assert.equal(`${apiary.name} ${apiary.displayName} ${apiary.details.parent.name}`, 'apiary Apiary brightwater')
  await managementGroup('hives', 'Hives', 'apiary')
  const id = await subscription(pat, 'honey')
  await pat.tree.managementGroupSubscriptions.create('hives', id)
  const owner = onResources(someone('pat'), id)
  const [east, west] = [await group(owner, 'East'), await group(owner, 'West')]
  assert.equal(east, `/subscriptions/${id}/resourceGroups/East`)
  const hive = await target(owner, east, 'hosts', 'hive-1')

  const { children } = await pat.tree.managementGroups.get('apiary', { expand: 'children', recurse: true })
  assert.deepEqual(children.map((c) => [c.name, c.children.map((d) => d.name)]), [['hives', [id]]])
  assert.deepEqual(names(await listed(pat.tree.managementGroups.listDescendants('apiary'))), [id, 'hives'].sort())
  const entities = await listed(pat.tree.entities.list())
  assert.deepEqual(entities.find((e) => e.name === id).parentNameChain.slice(-3), ['brightwater', 'apiary', 'hives'])
  assert.deepEqual(names(await listed(owner.resources.resourceGroups.list())), ['East', 'West'])
  const hosts = { filter: "resourceType eq 'Portcullis.Targets/hosts'" }
  const [found] = rows(await listed(owner.resources.resources.list(hosts)), 1, 'resources')
  assert.equal(found.id, hive)

  await owner.resources.resources.moveResources('East', { resources: [hive], targetResourceGroup: west })
  assert.deepEqual(names(await listed(owner.resources.resources.listByResourceGroup('East'))), [])
  assert.deepEqual(names(await listed(owner.resources.resources.listByResourceGroup('west'))), ['hive-1'])
  await owner.resources.resourceGroups.update('West', { tags: { honey: 'lime' } })
  assert.deepEqual((await owner.resources.resourceGroups.get('WEST')).tags, { honey: 'lime' })

  await refused(pat.tree.managementGroups.beginDeleteAndWait('apiary'), 400, 'BadRequest')
  await owner.resources.resourceGroups.delete('West')
  await refused(owner.resources.resourceGroups.get('West'), 404, 'ResourceGroupNotFound')
})

// Who may read nothing there learns nothing: what is there and what is not look alike.
test('the tree shows itself to those who may read it', async () => {
  const alice = onResources(someone('alice'))
  const aud = onResources(someone('aud'))
  assert.deepEqual(names(await listed(aud.resources.resourceGroups.list())), ['data', 'web'])
  const hidden = await refused(alice.resources.resourceGroups.get('web'), 403, 'AuthorizationFailed')
  const absent = await refused(alice.resources.resourceGroups.get('nothing'), 403, 'AuthorizationFailed')
  assert.equal(hidden.message.replace('web', 'nothing'), absent.message)
  await refused(aud.resources.resourceGroups.get('nothing'), 404, 'ResourceGroupNotFound')
  await refused(aud.resources.resourceGroups.createOrUpdate('nothing', { location: 'global' }), 403, 'AuthorizationFailed')
})
