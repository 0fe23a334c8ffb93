// Makes the replica set of one and, through mongod's localhost exception, its user; run again it changes nothing.
const own = process.env.HOST_NAME + ":27017";
const admin = db.getSiblingDB("admin");
try {
  admin.auth(process.env.MONGODB_USERNAME, process.env.MONGODB_PASSWORD);
} catch (error) {
  try {
    rs.initiate({_id: "rs0", members: [{_id: 0, host: own}]});
  } catch (again) {
    if (again.codeName !== "AlreadyInitialized") { throw again; }
  }
  for (let tries = 0; !db.hello().isWritablePrimary; tries++) {
    if (tries > 50) { throw new Error("no primary yet"); }
    sleep(100);
  }
  admin.createUser({
    user: process.env.MONGODB_USERNAME,
    pwd: process.env.MONGODB_PASSWORD,
    roles: [{role: "readWrite", db: "gthulhu"}, {role: "clusterMonitor", db: "admin"}],
  });
}
